"""Whether a folder of weights can be loaded over another one: looked at before a server is told to, from the
headers of its files alone."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from farfield_kernel.errors import InvalidArgument, NotFound

Shapes = dict[str, tuple[int, ...]]
_OUTPUT = "lm_head.weight"
"""Left out by some where it is the embedding."""
_NAMED = 3
"""How many tensors a message names."""


def check_alike(new: Path, old: Path) -> None:
    """InvalidArgument where the tensors of `new` are not those of `old`, by name and shape. Of an `old` that
    is no folder here, such as a name on a hub, nothing is known."""
    given, wanted = shapes_in(new), _or_nothing(old)
    if not wanted:
        return
    names = given.keys() | wanted.keys()
    if not (_OUTPUT in given and _OUTPUT in wanted):
        names -= {_OUTPUT}
    wrong = sorted(name for name in names if given.get(name) != wanted.get(name))
    if wrong:
        named = ", ".join(f"{name} {given.get(name)} for {wanted.get(name)}" for name in wrong[:_NAMED])
        raise InvalidArgument(
            f"{new} holds another model than {old}, which the server runs: {len(wrong)} tensors differ "
            f"({named}); start a server with it instead"
        )


def shapes_in(folder: Path) -> Shapes:
    """Of all tensors by name. NotFound where there are none, InvalidArgument where a file is torn."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise NotFound(f"{folder} holds no *.safetensors")
    shapes: Shapes = {}
    for file in files:
        try:
            with safe_open(file, framework="np") as tensors:
                names = tensors.keys()
                shapes.update({name: tuple(tensors.get_slice(name).get_shape()) for name in names})
        except (OSError, SafetensorError) as error:
            raise InvalidArgument(f"{file} is torn: {error}") from error
    return shapes


def _or_nothing(folder: Path) -> Shapes:
    try:
        return shapes_in(folder)
    except NotFound:
        return {}
