"""How big is a story, and how rough?"""

from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True)
class Size:
    """How big a story is, and how rough."""

    clients: int = 12
    days: int = 60
    only: tuple[int, ...] = ()
    calm: bool = False

    @override
    def __str__(self) -> str:
        """As ``make simulate`` takes it."""
        said = f"CLIENTS={self.clients} DAYS={self.days}"
        said += f" ONLY={','.join(map(str, self.only))}" if self.only else ""
        return said + (" CALM=1" if self.calm else "")
