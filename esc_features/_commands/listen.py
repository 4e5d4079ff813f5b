"""`esc_features listen`: classify the sound of the microphone, live."""

import argparse

from .._terminal import say
from ._options import add_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="model file written by save_model or esc_features train")
    parser.add_argument("--hop", type=float, default=1.0, help="seconds from one window to the next (default: 1)")
    parser.add_argument("--threshold", type=float, default=0.5, help="lowest probability to print (default: 0.5)")
    parser.add_argument("--seconds", type=float, help="stop after this time (default: at Ctrl-C)")
    parser.add_argument("--device", help="number or name of the microphone (default: the system's default)")
    add_trust(parser, "a class, function or module that the model may import; may be repeated")


def run(options: argparse.Namespace) -> int:
    from ..deployment import listen, load_model

    model = load_model(options.model, trusted=options.trust)
    device = int(options.device) if (options.device or "").isdigit() else options.device
    duration = model.card_.duration
    say(f"Listening in windows of {duration:g} s, every {options.hop:g} s. Stop with Ctrl-C.", error=True)
    try:
        for window in listen(model, options.hop, device=device):
            if window.missed:
                say(f"{window.missed:.1f} s of sound were lost: use a larger --hop.", error=True)
            say(_line(window, options.threshold))
            if options.seconds is not None and window.end + options.hop > options.seconds:
                break
    except KeyboardInterrupt:
        say("", error=True)
    return 0


def _line(window, threshold: float) -> str:
    """Return the time and a bar for each probable category, the most probable first."""
    ranked = sorted(window.probabilities.items(), key=lambda item: -item[1])
    probable = [f"{name} {'#' * round(10 * p):<10} {p:.0%}" for name, p in ranked if p >= threshold]
    return f"{window.start:7.1f} s  " + ("   ".join(probable) or "-")
