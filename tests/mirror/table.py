"""The table of what is mirrored: for each class a function of the layer, its Params' values and single samples."""

MIRROR = {}


def of(*kinds):
    def mirrored(function):
        MIRROR.update(dict.fromkeys(kinds, function))
        return function

    return mirrored


def plain(kind, function):
    """A layer without options or Params."""
    MIRROR[kind] = lambda layer, p, *samples: function(*samples)
