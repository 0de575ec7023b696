"""What a sample claims, checked: its exit code is 0 only where all of it came true."""

from __future__ import annotations


class Claims:
    """Prints each claim, and whether it came true.

    Example:
        >>> claims = Claims()
        >>> claims.check("two and two are four", 2 + 2 == 4)
        yes: two and two are four
        >>> claims.code
        0
    """

    def __init__(self) -> None:
        self._checked: list[bool] = []

    def check(self, claim: str, is_true: bool) -> None:
        """Print a claim, and whether it is true."""
        self._checked.append(is_true)
        print(f"{'yes' if is_true else 'NO'}: {claim}")

    def end(self) -> None:
        """Print how many claims came true."""
        print(f"\nclaims that came true: {sum(self._checked)} of {len(self._checked)}")

    @property
    def code(self) -> int:
        """The exit code of the sample."""
        return 0 if self._checked and all(self._checked) else 1
