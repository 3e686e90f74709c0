"""How many microvolts one unit of a declared text is: the only place where units are understood.

The texts are those found in EDF headers, in LSL and XDF metadata and in configuration files. What is not
understood is ``None`` and never a guess: a wrong factor of a thousand is a wrong diagnosis.
"""

from __future__ import annotations

KNOWN = "uV, µV, microvolts, nV, nanovolts, mV, millivolts, V, volts, or a power of ten volts: -9, -6, -3, 0"

# Words mean the same in any case; "mega" is not among them, as no amplifier measures it.
_WORDS = {
    "uv": 1.0,
    "microvolt": 1.0,
    "microvolts": 1.0,
    "uvolt": 1.0,
    "uvolts": 1.0,
    "millivolt": 1e3,
    "millivolts": 1e3,
    "volt": 1e6,
    "volts": 1e6,
    "v": 1e6,
    "nanovolt": 1e-3,
    "nanovolts": 1e-3,
    # The exponents of ten that BrainVision and XDF writers use: "-6" is 10^-6 V.
    "-9": 1e-3,
    "-6": 1.0,
    "-3": 1e3,
    "0": 1e6,
}
# In symbols the case of the prefix decides: "MV" is a megavolt, so it is refused rather than read as mV.
_SYMBOLS = {"mV": 1e3, "mv": 1e3, "nV": 1e-3, "nv": 1e-3}
# U+00B5 MICRO SIGN and U+03BC GREEK SMALL LETTER MU look the same; "ÂµV" and "Î¼V" are their UTF-8 read as
# Latin-1.
_MICRO = ("\u00c2\u00b5", "\u00ce\u00bc", "\u00b5", "\u03bc")


def microvolts_per(unit: str) -> float | None:
    """Return the factor that takes a value in ``unit`` to µV.

    Parameters
    ----------
    unit
        A unit as declared, for instance ``"mV"``; blanks around it do not matter.

    Returns
    -------
    float or None
        µV per unit; ``None`` when the text is empty or not understood (`KNOWN` lists what is).
    """
    text = unit.strip()
    for micro in _MICRO:
        if text.startswith(micro):
            text = "u" + text.removeprefix(micro)
            break
    if text in _SYMBOLS:
        return _SYMBOLS[text]
    return _WORDS.get(text.lower())
