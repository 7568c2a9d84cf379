"""What memory is held by."""

import gc


def holders(size: int) -> list[str]:
    """Return the types of the objects that hold bytes of this length."""
    gc.unfreeze()  # or what was there before the first test would be left out
    return [
        type(each).__name__
        for each in gc.get_objects()
        if any(type(held) is bytes and len(held) == size for held in gc.get_referents(each))
    ]
