"""A model in which everything that can be named has a name that would act as Markdown or HTML."""

import io
import json
import zipfile

from tests.step_lines import drive, lines, log

HOSTILE = "<img src=x onerror=alert(1)> **bold** :material/delete: $x$ [a](http://b) :red[x]"
"""The name; a file system takes it without its slashes."""

IN_FOLDER = HOSTILE.replace("/", "")
WORD = "<img/src=x/onerror=alert(1)>**bold**:material/delete:$x$[a](http://b):red[x]"
"""The same without blanks and commas, for the words of a trainer log."""


def files() -> dict[str, bytes]:
    """Files of the model: a training, two evaluations, and files that cannot be read."""
    lesson, race = drive(30, laps=tuple(range(0, 30, 3)), length=40), drive(3, laps=(0, 1), length=60)
    facts = {"WORLD_NAME": HOSTILE, "RACE_TYPE": HOSTILE, "JOB_TYPE": "TRAINING"}
    facts |= {"ROLLOUT_IDX": HOSTILE, "NUM_WORKERS": HOSTILE, "MODEL_NAME": HOSTILE, "CAR_NAME": HOSTILE}
    broken = [
        f"SIM_TRACE_LOG:1,2,{HOSTILE}",
        f"SIM_TRACE_LOG:{WORD},1,0,0,0,0,0,0,0,False,True,0,1,17.67,1,{WORD}",
    ]
    trainer = [
        "pretrained_s3_prefix=" + WORD.replace("/", "|"),
        "Checkpoint> Restoring from path=./pretrained_checkpoint/agent/2_Step-900.ckpt",
        "Checkpoint> Saving in path=['./checkpoint/agent/3_Step-0.ckpt']",
        f"training_algorithm {WORD}",
    ]
    metadata = {
        "action_space": [
            {"steering_angle": -30, "speed": 1, "index": HOSTILE},
            {"steering_angle": 0, "speed": 2, HOSTILE: HOSTILE},
        ],
        "sensor": [HOSTILE],
        "neural_network": HOSTILE,
        "training_algorithm": HOSTILE,
        "action_space_type": HOSTILE,
        "version": HOSTILE,
    }
    return {
        f"logs/{HOSTILE}.log": "\n".join([str(facts), *lines(lesson), *broken, ""]).encode(),
        f"sim/{HOSTILE} one.log": b"{'JOB_TYPE': 'EVALUATION'}\n" + log(race),
        f"sim/{HOSTILE} two.log": b"{'JOB_TYPE': 'EVALUATION'}\n" + log(drive(4, length=70, begins=99.0)),
        "trainer.log": "\n".join([*trainer, ""]).encode(),
        "model_metadata.json": json.dumps(metadata).encode(),
        f"{HOSTILE}/metrics.json": b'{"metrics": [',
        f"{HOSTILE}.zip": b"PK\x03\x04 no archive",
        f"{HOSTILE}/sim-trace/training/{HOSTILE}/0-iteration.csv": f"episode,steps,{HOSTILE}\n0,1,{HOSTILE}\n".encode(),
    }


def archive() -> bytes:
    """The model as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in files().items():
            packed.writestr(name, data)
    return out.getvalue()
