"""Offline review: the live pipeline's stages, but the network sees a whole session before anything is decided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from detector.decision import Decision
from detector.messages import Chunk, Decided, Gap, Probability
from detector.pipeline import Conditioning, Network, Pipeline


@runtime_checkable
class ReviewNetwork(Network, Protocol):
    """An engine that answers when the session is over, see `detector.network.keras_review`."""

    def finish(self) -> list[Probability]:
        """Return one probability for each step since the last reset."""
        ...


class ReviewPipeline(Pipeline):
    """A `Pipeline` whose answers come with the `Gap` that ends their session."""

    def __init__(self, conditioning: Conditioning, network: ReviewNetwork, decision: Decision) -> None:
        self._review = network
        super().__init__(conditioning, network, decision)

    def process(self, message: Chunk | Gap) -> Iterator[Decided]:
        """Yield what is to be said of the session that a gap ends; of a chunk nothing can be said yet."""
        if isinstance(message, Gap):
            for probability in self._review.finish():
                yield from self.decision.process(probability)
        yield from super().process(message)
