"""The command line: parse, call one function, print, exit."""


def main() -> None:
    """Run the command line."""
