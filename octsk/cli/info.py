"""The command ``octsk info``."""

import os
from errno import ENOTDIR
from typing import Annotated

import typer

from octsk.cli._app import app
from octsk.cli._inputs import (
    make_net,
)
from octsk.cli._options import (
    DataHomeOption,
    JsonOption,
    Net,
)
from octsk.cli._output import (
    Output,
    format_net,
    print_facts,
    print_message,
)
from octsk.utils.tensorflow import start_tensorflow


@app.command(epilog="\b\nExamples:\n  octsk info\n  octsk info --clear-cache")
def info(
    data_home: DataHomeOption = None,
    clear_cache: Annotated[
        bool,
        typer.Option(
            "--clear-cache",
            help="Remove the cached images of large folders and tables.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show versions, devices, the data folder and the nets."""
    from octsk.datasets import (
        cache_size,
        clear_image_cache,
        get_data_home,
        image_cache_folder,
    )
    from octsk.utils.environment import environment

    folder, sets, cached, cleared = None, {}, 0, 0
    try:
        folder = get_data_home(data_home)
    except OSError as error:
        print_message("warning", error)
    else:
        if folder.is_file():
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(folder))
        sets = {file.name: file.stat().st_size for file in sorted(folder.glob("[!.]*.npz"))}
        cleared = clear_image_cache(folder) if clear_cache else 0
        cached = cache_size(image_cache_folder(folder))
    start_tensorflow()
    from octsk import architectures

    devices = _list_devices()
    nets = {str(name): make_net(name) for name in Net}
    sizes = {
        name: getattr(architectures, name)((28, 28, 1), 4).count_params() for name in nets
    }
    facts = environment()

    def show():
        words = [f"{name} ({size / 1e6:.1f} MB)" for name, size in sets.items()]
        removed = f" ({cleared / 1e6:.1f} MB were removed)" if clear_cache else ""
        print_facts(
            {
                **facts,
                "data folder": folder,
                "data sets": ", ".join(words) or "none yet; octsk fetch downloads them",
                "decoded images": f"{cached / 1e6:.1f} MB{removed}",
                "devices": ", ".join(devices),
            }
        )
        _print_nets(nets, sizes)

    Output(as_json).result(
        {
            "environment": facts,
            "data_home": folder and str(folder),
            "data_sets": sets,
            "image_cache_bytes": cached,
            "devices": devices,
            "nets": {
                name: {"n_parameters": sizes[name], "params": net.get_params()}
                for name, net in nets.items()
            },
        },
        show,
    )


def _list_devices():
    import tensorflow as tf

    devices = tf.config.list_physical_devices()
    return [device.name.removeprefix("/physical_device:") for device in devices]


def _print_nets(nets, sizes):
    print("\nNets: number of parameters (28 x 28 x 1 pixels, 4 classes) and defaults")
    print_facts(
        {name: f"{sizes[name]:>9,}  {format_net(net)}" for name, net in nets.items()}
    )
