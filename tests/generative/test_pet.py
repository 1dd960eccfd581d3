"""Series of PET that are odd but legal: the SUV of which each was made comes back, whatever its clocks.

The values are made forwards, from SUV by the decay of an injected activity; of an uncorrected frame they are
the mean of its activity, by quadrature. So nothing here is the reader's own arithmetic turned round.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from scipy.integrate import quad

from site_node.images.series import load_folder
from site_node.sources.dicom.faults import DicomFault, Fault
from tests.generative.draws import DRAWS, chance, one
from tests.lib.dicom_files import ROOT, new_object

HALF_LIVES_S = {"F18": 6586.2, "C11": 1221.66, "Ga68": 4069.8, "Zr89": 282276.0}
NO_WEIGHT, GRAMS, NO_DOSE, TWO, LATER, NO_CORRECTION, OTHER_UNIT = (
    *("no weight", "grams", "no dose", "two injections", "injected after the scan", "no correction"),
    "other unit",
)
FAULTS = {
    NO_WEIGHT: Fault.PET_BODY, GRAMS: Fault.PET_BODY, NO_DOSE: Fault.PET_DOSE, TWO: Fault.PET_DOSE,
    LATER: Fault.PET_TIME, NO_CORRECTION: Fault.PET_DECAY, OTHER_UNIT: Fault.PET_UNIT,
}  # fmt: skip


class Drawn:
    """A series as it is drawn, its SUV, and why it cannot be used, or None."""

    def __init__(self, rng: Generator, folder: Path) -> None:
        self.rng = rng
        self.fault = str(one(rng, *FAULTS)) if rng.random() < 0.2 else None
        self.units = str(one(rng, "BQML", "BQML", "BQML", "GML", "CM2ML", "CNTS", "CNTS of Philips"))
        self.correction = str(one(rng, "START", "START", "ADMIN", "NONE"))
        if self.fault:  # each is a fault where the activity counts
            self.units, self.correction = "BQML", "START"
        self.nuclide = str(one(rng, *HALF_LIVES_S))
        self.half_life_s = HALF_LIVES_S[self.nuclide]
        self.weight_kg = round(float(rng.uniform(35, 140)), 1)
        self.height_m = round(float(rng.uniform(1.4, 2.0)), 2)
        self.dose_mbq = round(float(rng.uniform(40, 600)), 1)
        self.start = datetime(2024, 3, 5) + timedelta(seconds=int(rng.integers(86_400)))
        self.waited_s = round(float(rng.uniform(0.2, 1.5)) * min(self.half_life_s, 6586.2))
        self.injected = self.start - timedelta(seconds=self.waited_s)
        self.bed_s = int(rng.integers(60, 240))
        self.is_reconstructed_later = rng.random() < 0.4
        self.offset = str(one(rng, "", "+0100", "-0530", "+0000"))
        self.with_day = self.nuclide == "Zr89" or rng.random() < 0.5
        self.in_mbq = rng.random() < 0.3
        if self.fault == LATER:
            self.with_day, self.injected = True, self.start + timedelta(hours=1)
        folder.mkdir()
        self.suv = np.stack([self.slice(folder, z) for z in range(5)])

    def per_suv(self, z: int) -> float:
        """What a value of the slice is of an SUV of 1 g/mL."""
        at_injection = self.dose_mbq * 1e6 / (self.weight_kg * 1000)

        def left(seconds: float) -> float:
            return float(0.5 ** (seconds / self.half_life_s))

        match self.units:
            case "GML":
                return 1.0
            case "CM2ML":  # Du Bois 1916
                surface_cm2 = 71.84 * self.weight_kg**0.425 * (100 * self.height_m) ** 0.725
                return surface_cm2 / (self.weight_kg * 1000)
            case "CNTS":
                return 1 / 0.0017
        if self.units == "CNTS of Philips":
            at_injection /= 2.5
        match self.correction:
            case "START":
                return at_injection * left(self.waited_s)
            case "ADMIN":
                return at_injection
        begins = self.waited_s + z * self.bed_s
        return at_injection * float(quad(left, begins, begins + self.bed_s)[0]) / self.bed_s

    def slice(self, folder: Path, z: int) -> NDArray[np.float64]:
        """Writes the file of one slice; its SUV."""
        rng = self.rng
        dataset = new_object("PT", f"{ROOT}7.{z + 1}", f"{ROOT}7")
        stored = rng.integers(0, 2**15, (4, 3))
        slope = float(f"{self.per_suv(z) * rng.uniform(3, 20) / 2**15:.9g}")
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.9g}", "0"
        dataset.ImagePositionPatient = ["-10", "-20", f"{3 * z}"]
        dataset.ImageOrientationPatient, dataset.PixelSpacing = ["1", "0", "0", "0", "1", "0"], ["4", "4"]
        dataset.SliceThickness, dataset.InstanceNumber = "3", str(5 - z)
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 4, 3, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelData = stored.astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
        self.patient(dataset)
        self.clocks(dataset, z)
        self.injection(dataset)
        dataset.save_as(folder / f"{rng.integers(10**9)}_{z}", enforce_file_format=True)
        return stored * slope / self.per_suv(z)

    def patient(self, dataset: FileDataset) -> None:
        dataset.Units = "PROPCPS" if self.fault == OTHER_UNIT else self.units.split()[0]
        if self.units.startswith("CNTS"):
            element, factor = (0x00, "0.0017") if self.units == "CNTS" else (0x09, "2.5")
            block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
            block.add_new(element, "DS", factor)
        if self.units == "CM2ML":
            dataset.SUVType = "BSA"
        elif self.units == "GML" and self.rng.random() < 0.5:
            dataset.SUVType = "BW"
        if self.fault != NO_CORRECTION:
            dataset.DecayCorrection = self.correction
        if self.fault != NO_WEIGHT:
            dataset.PatientWeight = f"{self.weight_kg * (1000 if self.fault == GRAMS else 1):g}"
        dataset.PatientSize, dataset.PatientSex = f"{self.height_m:g}", "F"

    def clocks(self, dataset: FileDataset, z: int) -> None:
        acquired = self.start + timedelta(seconds=z * self.bed_s)
        shown = self.start + timedelta(hours=5) if self.is_reconstructed_later else self.start
        dataset.SeriesDate, dataset.SeriesTime = f"{shown:%Y%m%d}", f"{shown:%H%M%S}"
        dataset.AcquisitionDate, dataset.AcquisitionTime = f"{acquired:%Y%m%d}", f"{acquired:%H%M%S}.00"
        dataset.ActualFrameDuration = str(self.bed_s * 1000)
        if self.offset:
            dataset.TimezoneOffsetFromUTC = self.offset

    def injection(self, dataset: FileDataset) -> None:
        item = Dataset()
        if self.fault != NO_DOSE:
            item.RadionuclideTotalDose = f"{self.dose_mbq:g}" if self.in_mbq else f"{self.dose_mbq * 1e6:g}"
        item.RadionuclideHalfLife = f"{self.half_life_s:g}"
        if self.with_day:
            item.RadiopharmaceuticalStartDateTime = self.moment()
        else:
            item.RadiopharmaceuticalStartTime = f"{self.injected:%H%M%S}"
        dataset.RadiopharmaceuticalInformationSequence = [item] * (2 if self.fault == TWO else 1)

    def moment(self) -> str:
        """The injection as a DT; with an offset in any zone, where the object names its own."""
        if not self.offset or self.rng.random() < 0.5:
            return f"{self.injected:%Y%m%d%H%M%S}"
        hours, minutes = int(self.offset[:3]), int(self.offset[0] + self.offset[3:])
        in_utc = self.injected - timedelta(hours=hours, minutes=minutes)
        return f"{in_utc + timedelta(hours=9):%Y%m%d%H%M%S}+0900"


@DRAWS
def test_a_pet_has_the_uptake_that_it_was_made_of(draws: range, tmp_path: Path) -> None:
    wrong: dict[int, str] = {}
    for draw in draws:
        folder = tmp_path / str(draw)
        drawn = Drawn(chance("pet", draw), folder)
        try:
            found = load_folder(folder).array
            told = "" if np.allclose(found, drawn.suv, rtol=2e-6, atol=0) else f"{found / drawn.suv}"
            told = f"read in spite of {drawn.fault}" if drawn.fault else told
        except DicomFault as error:
            told = "" if drawn.fault and error.fault is FAULTS[drawn.fault] else error.fault.value
        if told:
            wrong[draw] = f"{drawn.units}, {drawn.correction}: {told}"
    assert wrong == {}
