"""Why a DICOM object was not loaded: the codes that the quarantine shows, each with its words."""

from enum import StrEnum


class Fault(StrEnum):
    """The code of what is wrong with a file or a series."""

    # one file
    NOT_DICOM = "dicom-not-dicom"
    ARCHIVE = "dicom-archive"
    UNREADABLE = "dicom-unreadable"
    MISSING_IDENTITY = "dicom-missing-identity"
    UNSUPPORTED_OBJECT = "dicom-unsupported-object"
    TOO_COMPLEX = "dicom-too-complex"
    BURNED_IN = "dicom-burned-in"
    SECONDARY_CAPTURE = "dicom-secondary-capture"
    ULTRASOUND = "dicom-ultrasound"
    FACE = "dicom-face"
    # one series
    NO_IMAGE = "dicom-no-image"
    MIXED_SERIES = "dicom-mixed-series"
    MIXED_PATIENT = "dicom-mixed-patient"
    NO_DATE = "dicom-no-date"
    MALFORMED_GEOMETRY = "dicom-malformed-geometry"
    MIXED_ORIENTATION = "dicom-mixed-orientation"
    MIXED_FRAME = "dicom-mixed-frame-of-reference"
    MIXED_SIZE = "dicom-mixed-size"
    MIXED_SPACING = "dicom-mixed-pixel-spacing"
    DUPLICATE_POSITION = "dicom-duplicate-position"
    SEVERAL_VOLUMES = "dicom-several-volumes"
    MISSING_SLICE = "dicom-missing-slice"
    IRREGULAR_SPACING = "dicom-irregular-spacing"
    SHEARED_STACK = "dicom-sheared-stack"
    MOSAIC = "dicom-mosaic"
    NO_THICKNESS = "dicom-no-slice-thickness"
    REPEATED_UID = "dicom-repeated-uid"
    MISSING_RESCALE = "dicom-missing-rescale"
    MODALITY_LUT = "dicom-modality-lut"
    OTHER_UNIT = "dicom-other-unit"
    PIXEL_FORM = "dicom-pixel-form"
    # its pixels
    UNDECODABLE_PIXELS = "dicom-undecodable-pixels"
    NO_DECODER = "dicom-no-decoder"
    TOO_LARGE = "dicom-too-large"
    PET_UNIT = "dicom-pet-unit"
    PET_BODY = "dicom-pet-body"
    PET_DOSE = "dicom-pet-dose"
    PET_TIME = "dicom-pet-time"
    PET_DECAY = "dicom-pet-decay"
    PET_ATTENUATION = "dicom-pet-attenuation"
    # a region on it
    REGION_WITHOUT_IMAGE = "dicom-region-without-image"
    NO_REGION = "dicom-no-region"
    CONTOUR_OFF_PLANE = "dicom-contour-off-plane"
    CONTOUR_GAP = "dicom-contour-gap"
    CONTOUR_AMBIGUOUS = "dicom-contour-ambiguous"
    CONTOUR_INCOMPLETE = "dicom-contour-incomplete"
    OTHER_FRAME = "dicom-other-frame-of-reference"
    OTHER_PATIENT = "dicom-region-of-another-patient"
    REPEATED_NUMBER = "dicom-repeated-number"
    REGION_OUTSIDE = "dicom-region-outside"
    SEG_OTHER_GRID = "dicom-seg-other-grid"
    SEG_FRAMES = "dicom-seg-frames"
    EMPTY_REGION = "dicom-empty-region"


REASONS: dict[Fault, str] = {
    Fault.NOT_DICOM: "not a DICOM file",
    Fault.ARCHIVE: "an archive (zip, gzip, tar, 7z, rar): unpack it, and load the folder",
    Fault.UNREADABLE: "a DICOM file whose header cannot be read; copied incompletely?",
    Fault.MISSING_IDENTITY: "PatientID, a UID or the modality is missing",
    Fault.UNSUPPORTED_OBJECT: "neither a CT, MR or PET image nor an RTSTRUCT nor a SEG",
    Fault.TOO_COMPLEX: "more elements or bytes than any scanner writes: made to exhaust its reader?",
    Fault.BURNED_IN: "the pixels may show who the patient is: burned-in annotation or a colour screen page",
    Fault.SECONDARY_CAPTURE: "a secondary capture or screenshot, whose pixels may show who the patient is",
    Fault.FACE: "a head, whose face can be rendered, or no body part is named: deface it, and say so in "
    "Recognizable Visual Features (0028,0302)",
    Fault.ULTRASOUND: "ultrasound, whose pixels usually show who the patient is",
    Fault.NO_IMAGE: "no file of an image is there",
    Fault.MIXED_SERIES: "images of several series; one at a time can be read",
    Fault.MIXED_PATIENT: "one series names several patients or studies",
    Fault.NO_DATE: "no acquisition, series, study or content date",
    Fault.MALFORMED_GEOMETRY: "position, orientation, pixel spacing or size is missing or not valid",
    Fault.MIXED_ORIENTATION: "the slices of the series are not parallel",
    Fault.MIXED_FRAME: "the slices of the series lie in several frames of reference",
    Fault.MIXED_SIZE: "the slices of the series differ in rows or columns",
    Fault.MIXED_SPACING: "the slices of the series differ in pixel spacing",
    Fault.DUPLICATE_POSITION: "several slices lie at the same position",
    Fault.SEVERAL_VOLUMES: "several volumes in one series; of MR a map can be made (`map:` in the settings)",
    Fault.MISSING_SLICE: "slices are missing: a gap is a multiple of the slice spacing",
    Fault.IRREGULAR_SPACING: "slices lie off an evenly spaced stack by more than a tenth of their distance",
    Fault.SHEARED_STACK: "slices are shifted within their plane, as by a tilted gantry: resample the series",
    Fault.MOSAIC: "a mosaic, whose tiles are slices at places that are not told: export it as slices",
    Fault.NO_THICKNESS: "a single slice that does not tell its thickness",
    Fault.REPEATED_UID: "two different objects have one SOPInstanceUID: export the series anew",
    Fault.MISSING_RESCALE: "CT or PET without usable rescale slope and intercept: intensities have no unit",
    Fault.MODALITY_LUT: "the intensities are told by a table (modality LUT), which is not read",
    Fault.OTHER_UNIT: "a CT whose RescaleType is not Hounsfield units",
    Fault.PIXEL_FORM: "pixels that are colours or entries of a palette, or stand in the high bits of their "
    "words: convert the series to MONOCHROME2, with HighBit one below BitsStored",
    Fault.UNDECODABLE_PIXELS: "the pixels cannot be decoded: damaged?",
    Fault.NO_DECODER: "the pixels are compressed in a way that no installed decoder reads",
    Fault.TOO_LARGE: "more pixels than any scanner makes, or another number than the header says",
    Fault.PET_UNIT: "PET in a unit that is neither SUV, Bq/ml nor counts with Philips' factor",
    Fault.PET_BODY: "PET without the weight (or height or sex) of the patient: no SUV",
    Fault.PET_DOSE: "PET without a plausible injected activity, or a half-life that is its nuclide's: no SUV",
    Fault.PET_TIME: "PET whose injection or scan has no time, or times that contradict: no SUV",
    Fault.PET_DECAY: "PET that does not say to what time its decay is corrected: no SUV",
    Fault.PET_ATTENUATION: "PET that says it is not corrected for attenuation: it measures no activity",
    Fault.REGION_WITHOUT_IMAGE: "the images of the regions are not here: add both in one folder",
    Fault.NO_REGION: "no closed contour or segment",
    Fault.CONTOUR_OFF_PLANE: "a contour does not lie in an image plane",
    Fault.CONTOUR_GAP: "contours are missing between slices: draw them, or name separate parts as regions",
    Fault.CONTOUR_AMBIGUOUS: "contours of one slice overlap, so that holes cannot be told: redraw the region",
    Fault.CONTOUR_INCOMPLETE: "a contour with another number of points than it says, or moved by an offset",
    Fault.OTHER_FRAME: "the region is drawn in another frame of reference: draw or copy it onto this image",
    Fault.OTHER_PATIENT: "image and regions name different patients",
    Fault.REPEATED_NUMBER: "two regions of the file have one number",
    Fault.REGION_OUTSIDE: "the region reaches beyond the image: cut it, or draw it on an image that holds it",
    Fault.SEG_OTHER_GRID: "the segmentation's frames are not evenly spaced parallel planes",
    Fault.SEG_FRAMES: "two frames of one segment in one plane, as of several times, or a frame of a segment "
    "that is not listed: export the segments of one time",
    Fault.EMPTY_REGION: "the region contains no voxel centre",
}


class DicomFault(Exception):  # noqa: N818 - the fault is in the file
    """One object cannot be used; carries the code, never a value of the header."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(REASONS[fault])
        self.fault = fault
