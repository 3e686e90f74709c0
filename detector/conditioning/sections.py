"""Second-order recursive sections: designed in closed form, and run over blocks of samples by matrix products.

NumPy has no recursive filter, and the library that has one costs a bed more memory than all the rest of it. A section
is a linear system with a memory of two numbers for each channel, so a block's output is a matrix times its samples and
the memory before it, and so is the memory behind it (Burrus 1972, Block realization of digital filters, IEEE
Transactions on Audio and Electroacoustics 20:230-235). That is exact, and as quick as a loop in C.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_BLOCK = 32  # samples; of 8 to 128 the quickest for 22 channels
_DOUBLINGS = 32  # of a block: no array is as long

Coefficients = tuple[tuple[float, float, float], tuple[float, float, float]]


def butterworth_highpass(hz: float, rate_hz: float) -> Coefficients:
    """Return (b, a) of the Butterworth high-pass of second order with its corner, -3 dB, at ``hz``.

    Both Butterworths are the analogue ones by the bilinear transform, the corner warped beforehand (Oppenheim and
    Schafer 2010, Discrete-Time Signal Processing, section 7.2).
    """
    b0, a = _butterworth(hz, rate_hz)
    return (b0, -2 * b0, b0), a


def butterworth_lowpass(hz: float, rate_hz: float) -> Coefficients:
    """Return (b, a) of the Butterworth low-pass of second order with its corner, -3 dB, at ``hz``."""
    b0, a = _butterworth(hz, rate_hz)
    b0 *= math.tan(math.pi * hz / rate_hz) ** 2
    return (b0, 2 * b0, b0), a


def _butterworth(hz: float, rate_hz: float) -> tuple[float, tuple[float, float, float]]:
    warped = math.tan(math.pi * hz / rate_hz)
    scale = 1 / (1 + math.sqrt(2) * warped + warped**2)
    return scale, (1.0, 2 * (warped**2 - 1) * scale, (1 - math.sqrt(2) * warped + warped**2) * scale)


def notch(hz: float, q: float, rate_hz: float) -> Coefficients:
    """Return (b, a) of a notch at ``hz``, ``hz / q`` wide at -3 dB (Orfanidis 1996, Introduction to Signal Processing,
    section 11.3).
    """  # noqa: D205
    angle = 2 * math.pi * hz / rate_hz
    gain = 1 / (1 + math.tan(angle / q / 2))
    return (gain, -2 * gain * math.cos(angle), gain), (1.0, -2 * gain * math.cos(angle), 2 * gain - 1)


class Section:
    """Filters (n_samples, n_channels); the memory, (2, n_channels), is given and returned.

    The memory is turned and shrunk by each sample, the angle and the radius being those of the poles: the normal form
    (Barnes and Fam 1977, IEEE Transactions on Circuits and Systems 24:325-336). In it no power of the matrix is larger
    than the first, so that a high-pass of half a hertz loses no digits, which it does in the direct forms.

    Raises
    ------
    ValueError
        When the poles are not a conjugate pair.
    """

    def __init__(self, coefficients: Coefficients) -> None:
        (b0, b1, b2), (_, a1, a2) = coefficients
        if a1**2 >= 4 * a2:
            raise ValueError(f"poles of 1, {a1:g}, {a2:g}: expected a conjugate pair")
        x, y = -a1 / 2, math.sqrt(a2 - a1**2 / 4)  # of the pole
        turn, take = np.array([[x, y], [-y, x]]), np.array([1.0, 0.0])
        c1, c0 = b1 - a1 * b0, b2 - a2 * b0  # b / a = b0 + (c1 z + c0) / (z**2 + a1 z + a2)
        give = np.array([c1, -(c0 + c1 * x) / y])
        self._powers = [np.eye(2)]  # what the memory is multiplied by with so many samples
        for _ in range(_BLOCK):
            self._powers.append(turn @ self._powers[-1])
        response = [b0, *(float(give @ power @ take) for power in self._powers[: _BLOCK - 1])]
        # (_BLOCK, _BLOCK + 2): what each sample of a block, and each number of the memory before it, gives each output.
        self._outputs = np.zeros((_BLOCK, _BLOCK + 2))
        for i in range(_BLOCK):
            self._outputs[i, : i + 1] = response[i::-1]
            self._outputs[i, _BLOCK:] = give @ self._powers[i]
        self._doubled = [self._powers[_BLOCK]]  # ... with one block, two, four
        for _ in range(_DOUBLINGS - 1):
            self._doubled.append(self._doubled[-1] @ self._doubled[-1])
        # (2, _BLOCK): what each sample gives the memory behind the block.
        self._memories = np.stack([power @ take for power in self._powers[_BLOCK - 1 :: -1]], axis=1)
        # (2,): the memory behind a long time of ones.
        self.steady = np.array([1 - x, -y]) / ((1 - x) ** 2 + y**2)

    def process(
        self, samples: npt.NDArray[np.floating], memory: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the filtered samples, at least one, and the memory behind them."""
        n, n_channels = samples.shape
        n_whole = (n - 1) // _BLOCK
        split, rest = n_whole * _BLOCK, n - n_whole * _BLOCK  # the last block has 1 to _BLOCK samples
        blocks = np.empty((n_whole + 1, _BLOCK + 2, n_channels))
        blocks[:-1, :_BLOCK] = samples[:split].reshape(n_whole, _BLOCK, n_channels)
        blocks[-1, :rest] = samples[split:]
        if rest < _BLOCK:
            blocks[-1, rest:_BLOCK] = 0.0
        memories = blocks[:, _BLOCK:]
        memories[0] = memory
        memories[1:] = self._memories @ blocks[:-1, :_BLOCK]
        # Each memory is the sum of all before it, turned on: by doubling the reach (Hillis and Steele 1986).
        for i, power in enumerate(self._doubled[: n_whole.bit_length()]):
            memories[2**i :] += power @ memories[: -(2**i)]
        behind = self._powers[rest] @ memories[-1] + self._memories[:, _BLOCK - rest :] @ blocks[-1, :rest]
        filtered: npt.NDArray[np.float64] = (self._outputs @ blocks).reshape(-1, n_channels)[:n]
        return filtered, behind
