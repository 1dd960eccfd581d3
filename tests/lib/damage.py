"""Files broken at random, the same for the same seed."""

import gzip
import random


def spoilt(sound: bytes, seed: int, likely: bytes = b"\t\n,0-") -> bytes:
    """Up to twelve bytes changed, often to `likely` ones, which mean something; sometimes cut or packed."""
    chance = random.Random(seed)
    content = bytearray(sound)
    for _ in range(chance.randint(0, 12)):
        content[chance.randrange(len(content))] = chance.choice([chance.randrange(256), *likely])
    if chance.random() < 0.3:
        content = content[: chance.randint(1, len(content))]
    written = gzip.compress(bytes(content), mtime=0) if chance.random() < 0.3 else bytes(content)
    return written[: -chance.randint(1, 9)] if chance.random() < 0.1 else written
