"""What goes wrong with data: always one line with what, where and what to do."""


class DataError(RuntimeError):
    """A data set cannot be used as it is: one line with what, where and what to do."""


class DataUnreachable(DataError):  # noqa: N818 - says what is, and is caught by that name
    """The set is on the hub, and the hub cannot be reached."""
