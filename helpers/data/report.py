"""What became of every row of a file: used, or counted under the reason why not."""

from helpers.data.family import Record

TOTALS = ("place", "rows", "available", "used", "too_long", "without_solution")


class Report(dict[str, str | int]):
    """The account of one split: `rows` in the file = `used` + the sum of `.reasons`.

    Keys: `place` (file or hub revision), `rows` (in the file); then a key a reason for which rows
    were left out, always `duplicates` and `in_test` among them; `available` (in this split), `used`
    (after the size in `course.data`). Where it applies also `too_long` (left out by
    `prompts.within_lengths`) and `without_solution` (used, but there is nothing to imitate).
    """

    examples: dict[str, list[dict]]  # up to three rows as they were, for each defect

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> number of rows that are not used, those that are 0 left out."""
        left = {name: count for name, count in self.items() if name not in TOTALS}
        kept = self["rows"] - sum(left.values())
        too_long = self.get("too_long", 0)
        left["in another split"] = kept - self["available"]
        left["over the number asked for"] = self["available"] - self["used"] - too_long
        left["too_long"] = too_long
        return {name: count for name, count in left.items() if count}

    def shortened(self, used: int, too_long: int) -> "Report":
        """The account after rows over the length limit were left out as well."""
        changed = Report(self, used=used, too_long=self.get("too_long", 0) + too_long)
        changed.examples = self.examples
        return changed


class Records(list[Record]):
    """A list of problems, conversations or preferences, with the account of them in `.report`."""

    report: Report


Problems = Records
