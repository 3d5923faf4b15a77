# Which rooms run a network, on what, and with which weights.


def weights_of(room):
    """The note about a room's weights, if it needs any."""
    needs = CONFIG.train.weights if room == "train" else runs_network(CONFIG, room)
    return f"{BUILD}/acquire/weights/{room}.json" if needs else []


def weights_option(wildcards, input):
    """The note as an argument: which file it is of, and with which hash, stands in it."""
    return f"--weights {shlex.quote(str(input.weights))}" if input.weights else ""


def weights_settings(wildcards):
    """Only what decides which file it is."""
    section = getattr(CONFIG, wildcards.room)
    return settings.canonical(
        {
            wildcards.room: {
                "weights": section.weights,
                "weights_sha256": section.weights_sha256,
            }
        }
    )


def weights_bytes(wildcards):
    """The size of a room's own weights file; of a fetched one whether it has been removed."""
    weights = getattr(CONFIG, wildcards.room).weights
    if not is_url(weights):
        return Path(weights).stat().st_size
    note = Path(f"{BUILD}/acquire/weights/{wildcards.room}.json")
    return 0 if not note.exists() or weights_file(note).exists() else -1


def weights_file(note):
    return Path(json.loads(note.read_text())["path"])


def device_gpus(room, of=None):
    """GPUs a job asks the scheduler for: none where nothing runs a model, or the setting says cpu.

    `of`: the room whose device it is, where that is another.
    """
    return int(runs_network(CONFIG, room) and getattr(CONFIG, of or room).device != "cpu")
