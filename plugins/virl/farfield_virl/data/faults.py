"""What goes wrong with data that came from elsewhere."""


class BadData(ValueError):
    """A file of a data set is missing, malformed, too large or unsafe. The message names the file."""
