"""Which objects may show in their pixels who the patient is: they never enter the site's images (RT25).

What an object says of itself is taken at its word only where it says yes; an object that says nothing is
judged by what it is. Text that a scanner burns into an image of a class that passes, and does not declare,
is not found here: pixels leave a site only as copies that a person asks for (`data deidentify`), and of a
head only once its face was taken off (RT26).
"""

import pydicom

from site_node.sources.dicom.faults import DicomFault, Fault

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and .1 to .4, its multi-frame kin
ULTRASOUND = (
    "1.2.840.10008.5.1.4.1.1.3",  # and its retired kin
    "1.2.840.10008.5.1.4.1.1.6",  # … .6.1 single frame, .6.2 volume
)
SCREENED = ["BurnedInAnnotation", "ConversionType", "ImageType", "SamplesPerPixel"]
CAPTURED = {
    "DF",
    "DRW",
    "SD",
    "SI",
    "WSD",
}  # PS3.3 C.8.6.1: film, drawing, scanned document or image, workstation
HEADS = (
    "HEAD",
    "BRAIN",
    "SKULL",
    "FACE",
    "FACIAL",
    "ORBIT",
    "NECK",
    "WHOLE",
    "CEREB",
    "JAW",
    "MANDIB",
    "SINUS",
)
HEADS_ALONE = {"EYE", "EAR", "NOSE", "MAXILLA", "PAROTID", "PITUITARY", "TMJ", "ZYGOMA", "IAC", "BODY", "WB"}
SCREENS = {"SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "SCREEN CAPTURE", "SECONDARY CAPTURE", "CAPTURE"}


def screen_class(dataset: pydicom.Dataset) -> None:
    """Raises DicomFault where an object is of a kind that holds a picture with words in it."""
    sop_class = str(dataset.get("SOPClassUID", ""))
    if _is_or_below(sop_class, SECONDARY_CAPTURE) or dataset.get("ConversionType") in CAPTURED:
        raise DicomFault(Fault.SECONDARY_CAPTURE)
    if any(_is_or_below(sop_class, root) for root in ULTRASOUND):
        raise DicomFault(Fault.ULTRASOUND)


def screen_pixels(dataset: pydicom.Dataset) -> None:
    """Raises DicomFault where an image or region says that its pixels may hold words."""
    image_type = dataset.get("ImageType") or []
    words = [image_type] if isinstance(image_type, str) else image_type
    if any(str(word).replace("_", " ").upper() in SCREENS for word in words):
        raise DicomFault(Fault.SECONDARY_CAPTURE)
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES":
        raise DicomFault(Fault.BURNED_IN)
    if (dataset.get("SamplesPerPixel") or 1) != 1:  # a colour CT, MR or PET is a page of a report
        raise DicomFault(Fault.BURNED_IN)


def screen_face(dataset: pydicom.Dataset) -> None:
    """Raises DicomFault where a copy of an image or region may show a face, of which one can be rendered.

    An image says by its body part that it shows none, or by (0028,0302), as defacing software does.
    One that says neither is not copied; nor is a region that is the outer contour of the body.
    """
    drawn = dataset.get("RTROIObservationsSequence") or []
    if any(str(one.get("RTROIInterpretedType") or "").upper() == "EXTERNAL" for one in drawn):
        raise DicomFault(Fault.FACE)
    if "PixelSpacing" not in dataset and "SharedFunctionalGroupsSequence" not in dataset:
        return  # a region, not an image
    if dataset.get("Modality") == "SEG":
        return
    part = str(dataset.get("BodyPartExamined") or "").upper()
    is_head = not part or any(word in part for word in HEADS) or part in HEADS_ALONE
    if is_head and str(dataset.get("RecognizableVisualFeatures") or "").strip().upper() != "NO":
        raise DicomFault(Fault.FACE)


def _is_or_below(uid: str, root: str) -> bool:
    return uid == root or uid.startswith(root + ".")
