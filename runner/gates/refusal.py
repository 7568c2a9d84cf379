"""The exception that all gates raise."""

from runner.contract import CloseCode


class Refusal(Exception):
    """A file is not accepted. The message is a sentence for the owner; the code is OUTPUT_TOO_BIG or OUTPUT_TYPE."""

    def __init__(self, reason: str, code: CloseCode = CloseCode.OUTPUT_TYPE) -> None:
        super().__init__(reason)
        self.code = code
