"""octsk info."""

import os
from errno import ENOTDIR

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


@app.command(epilog="\b\nExamples:\n  octsk info\n  octsk info --json")
def info(data_home: DataHomeOption = None, as_json: JsonOption = False) -> None:
    """Show versions, devices, the data folder and the nets."""
    from octsk.datasets import get_data_home
    from octsk.utils.environment import environment

    folder, sets = None, {}
    try:
        folder = get_data_home(data_home)
    except OSError as error:
        print_message("warning", error)
    else:
        if folder.is_file():
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(folder))
        sets = {file.name: file.stat().st_size for file in sorted(folder.glob("[!.]*.npz"))}
    start_tensorflow()
    import tensorflow as tf

    from octsk import architectures

    devices = [
        device.name.removeprefix("/physical_device:")
        for device in tf.config.list_physical_devices()
    ]
    nets = {str(name): make_net(name) for name in Net}
    sizes = {
        name: getattr(architectures, name)((28, 28, 1), 4).count_params() for name in nets
    }
    facts = environment()

    def show():
        words = [f"{name} ({size / 1e6:.1f} MB)" for name, size in sets.items()]
        none = "none yet; octsk fetch downloads them"
        print_facts(
            {
                **facts,
                "data folder": folder,
                "data sets": ", ".join(words) or none,
                "devices": ", ".join(devices),
            }
        )
        print(
            "\nNets, with their parameters at 28 x 28 x 1 and 4 classes, and their defaults"
        )
        print_facts(
            {name: f"{sizes[name]:>9,}  {format_net(net)}" for name, net in nets.items()}
        )

    Output(as_json).result(
        {
            "environment": facts,
            "data_home": folder and str(folder),
            "data_sets": sets,
            "devices": devices,
            "nets": {
                name: {"n_parameters": sizes[name], "params": net.get_params()}
                for name, net in nets.items()
            },
        },
        show,
    )
