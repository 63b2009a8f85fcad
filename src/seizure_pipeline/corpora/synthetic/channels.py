"""From potentials at the sites to recorded channels: reference or bipolar chain, labels, order, and what is not EEG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seizure_pipeline.corpora.synthetic.head import site
from seizure_pipeline.corpora.synthetic.patients import Patient
from seizure_pipeline.corpora.synthetic.waves import Signal
from seizure_pipeline.montage import ELECTRODES

NEW_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
CLINICAL_ORDER = "Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 Fz Cz Pz"
LEFT_TO_RIGHT_ORDER = "Fp1 F7 T3 T5 F3 C3 P3 O1 Fz Cz Pz Fp2 F4 C4 P4 O2 F8 T4 T6"
DOUBLE_BANANA_AND_CROWN = (
    "Fp1-F7 F7-T3 T3-T5 T5-O1 Fp2-F8 F8-T4 T4-T6 T6-O2 Fp1-F3 F3-C3 C3-P3 P3-O1 Fp2-F4 F4-C4 C4-P4 P4-O2 "
    "Fz-Cz Cz-Pz T3-C3 C3-Cz Cz-C4 C4-T4"
)


@dataclass(frozen=True, slots=True)
class LabelStyle:
    """How a laboratory names its channels, in which order, and the folder that its recordings go to."""

    pattern: str
    heart_label: str
    montage: str
    capitals: bool
    new_names: bool
    order: str


LABEL_STYLES = {
    "ref_capitals": LabelStyle("EEG {}-REF", "EEG EKG1-REF", "01_tcp_ar", True, False, CLINICAL_ORDER),
    "ears_capitals": LabelStyle("EEG {}-LE", "EEG EKG-LE", "02_tcp_le", True, False, CLINICAL_ORDER),
    "ears_mixed": LabelStyle("EEG {}-LE", "ECG", "02_tcp_le", False, False, LEFT_TO_RIGHT_ORDER),
    "bare_new_names": LabelStyle("{}", "EKG", "03_tcp_ar_a", False, True, " ".join(ELECTRODES)),
    "ref_new_names": LabelStyle("EEG {}-REF", "EEG EKG1-REF", "03_tcp_ar_a", True, True, LEFT_TO_RIGHT_ORDER),
    "bipolar": LabelStyle("{}", "ECG", "03_tcp_ar_a", True, False, DOUBLE_BANANA_AND_CROWN),
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One recorded channel in microvolts."""

    label: str
    samples_uv: Signal


def record(patient: Patient, sites_ST: Signal, heart_T: Signal) -> list[Channel]:
    """Channels as this patient's laboratory records them, EEG first, then the heart and the photic marker."""
    style = LABEL_STYLES[patient.habits.label_style]
    channels = _bipolar(style, sites_ST) if "-" in style.order else _referential(patient, style, sites_ST)
    channels.append(Channel(style.heart_label, heart_T))
    if patient.habits.records_photic:
        channels.append(Channel("PHOTIC-REF", np.zeros_like(heart_T)))
    return channels


def electrode_label(style: LabelStyle, electrode: str) -> str:
    """Label of an electrode's channel, such as EEG FP1-REF or T7."""
    name = NEW_NAMES.get(electrode, electrode) if style.new_names else electrode
    return style.pattern.format(name.upper() if style.capitals else name)


def _referential(patient: Patient, style: LabelStyle, sites_ST: Signal) -> list[Channel]:
    ears = (sites_ST[site("A1")] + sites_ST[site("A2")]) / 2
    reference = ears if style.montage == "02_tcp_le" else sites_ST[site("CPz")]
    electrodes = style.order.split() + (["A1", "A2"] if patient.habits.records_ears else [])
    return [Channel(electrode_label(style, name), sites_ST[site(name)] - reference) for name in electrodes]


def _bipolar(style: LabelStyle, sites_ST: Signal) -> list[Channel]:
    pairs = [pair.split("-") for pair in style.order.split()]
    return [Channel(f"{a}-{b}".upper(), sites_ST[site(a)] - sites_ST[site(b)]) for a, b in pairs]
