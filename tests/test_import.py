"""What `import octsk` loads."""

import subprocess
import sys


def test_tensorflow_is_loaded_when_an_estimator_is_first_named():
    code = (
        "import sys, octsk\n"
        "dir(octsk), octsk.load_medmnist, octsk.make_oct_phantoms, octsk.evaluate\n"
        "octsk.corrupt\n"
        "print({'tensorflow', 'keras', 'matplotlib', 'skimage'} & set(sys.modules))\n"
        "octsk.SmallOCTNet\n"
        "print('tensorflow' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert result.stdout.splitlines() == ["set()", "True"], result.stderr
