"""One picture as DCMTK compresses it without loss, by each of the seven predictors of ITU-T T.81."""

from base64 import b64decode

import numpy as np

PICTURE = np.random.default_rng(5).integers(-32768, 32768, (5, 6)).astype("<i2")
PICTURE[1:3] = [[0, 0, 0, 0, 0, 0], [1, 1, 2, 3, 5, 8]]

# dcmcjpeg +el +sv 1 (… 7) picture.dcm, of DCMTK 3.6.7
_ENCODED = (
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAFAAYBAREA/8QAGgAAAwEBAQEAAAAAAAAAAAAAAA4PAQIMDf/aAAgBAQABAACV"
        "27EuO9wkhEpMPXzKiOAGm713JhZZsXEauw79kPvfwxFDOMKgVNgB0G5wnf//2Q=="
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAFAAYBAREA/8QAHQABAAEDBQAAAAAAAAAAAAAADw4BAgMECgsMDf/aAAgBAQAC"
        "AAArt5EuTe4hIQUmHb5oojmPW9GhiVc/1sE61uvy6gmFn/JMOGTfyAFnf/IihvjvSf1JjbW8pxf/2Q=="
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAFAAYBAREA/8QAGwABAQACAwEAAAAAAAAAAAAADw4BAgMECwz/2gAIAQEAAwAA"
        "K7eiXLe4iQgpMPr5pRHlEcx63o0MSr3+s5235ewTCz/kmHFTf6AGngFRFCSgIczEP4M+0t9//9k="
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAFAAYBAREA/8QAGgABAQADAQEAAAAAAAAAAAAADg8BAgwNAP/aAAgBAQAEAACV"
        "26Jcb3AkIlJh18xRHO0YhHbe9Wz+QZz9nO28mFjNixGbsOeyG3v1RFFNZpF4P+T2wx4r/wD//9k="
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAFAAYBAREA/8QAGwAAAgMAAwAAAAAAAAAAAAAADg8BAg0ACwz/2gAIAQEABQAA"
        "VduRLhvcBIQqTD18woj52jiEe2+KtnfQbPJm11MLDNiYjT2HdkOffuRFB0frt96vInlH0p///9k="
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAFAAYBAREA/8QAGQABAQADAQAAAAAAAAAAAAAADg8BAgMM/9oACAEBAAYAAJXb"
        "olxvcCQiUmHr5iiOHx5Ce+QQXst4F85226dpMLLL64fw6MWRkb+kRRXno1b0kkoh9cw////Z"
    ),
    (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALEAAFAAYBAREA/8QAGwAAAgIDAQAAAAAAAAAAAAAADg8BAgMJDAv/2gAIAQEABwAA"
        "VduRLhvcBIQqTDr5hRHGPVejIxKoP80EzNrZMymFiy+eH8HRpZGpv7IihlqfGiehk0MVYhX//9k="
    ),
)
JPEGS = tuple(b64decode(text) for text in _ENCODED)
