"""What it can do: each takes the method and what it was about to return, and returns that."""

import os
import random
import sys
import time

import numpy as np
import torch


def hang(method, what):
    """Never return."""
    print("now I hang", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.05)


def wait(method, what):
    """Sleep for ever in one call."""
    print("now I hang", file=sys.stderr, flush=True)
    time.sleep(100_000)


def leave(method, what):
    """Say that all is well, and leave."""
    sys.exit(0)


def leave_with_words(method, what):
    """Leave as scripts do."""
    sys.exit("this plugin has had enough")


def speak(method, what):
    """Write to stdout in every way there is."""
    print("I am the plugin")
    sys.stdout.write("and I talk")
    os.write(1, b" below python\n")
    os.system("echo and through a shell")
    return what


def fork(method, what):
    """Become two; the copy goes on as if it were the run."""
    os.fork()
    return what


def fork_and_raise(method, what):
    """Become two; the copy breaks."""
    if os.fork() == 0:
        raise ValueError("the copy breaks")
    return what


def seed(method, what):
    """Seed every global generator."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    return what


def fill_memory(method, what):
    """Hold more and more."""
    held = []
    while True:
        held.append(np.ones(2**23))


def fill_memory_with_tensors(method, what):
    """Ask for more than there is, as a network that is too large does."""
    return torch.ones(2**46)


def fill_device(method, what):
    """What torch raises where an accelerator has no more memory."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def kill_itself(method, what):
    """What the system does to a process that takes all memory."""
    os.kill(os.getpid(), 9)


def nan_loss(method, what):
    """A loss that is no number."""
    return {**what, "generator": what["generator"] * float("nan")}


def inf_loss(method, what):
    """A loss beyond all numbers."""
    return {**what, "generator": what["generator"] + float("inf")}


def huge_loss(method, what):
    """A loss that is a number yet, but no more for long."""
    return {**what, "generator": what["generator"] * 1e12}


def nan_gradient(method, what):
    """A step down a gradient that is no number; the losses that are told look well."""
    weight = next(method.generator.parameters())
    method.update("generator", (weight * float("nan")).sum())
    return what


def inf_weight(method, what):
    """A weight beyond all numbers, in the average that samples are drawn from."""
    with torch.no_grad():
        next(method.get_ema("generator").parameters())[0] = float("inf")
    return what


def nan_samples(method, what):
    """Samples that are no numbers, of weights that are."""
    what.image[0, 0, 0, 0] = float("nan")
    return what


def nan_data(method, what):
    """Losses of a batch that holds a NaN."""
    score = method.discriminator(torch.full((8, 1, method.data.size, method.data.size), np.nan))
    method.update("discriminator", score.mean())
    return {**what, "discriminator": score.mean()}


def raise_error(method, what):
    """A bug."""
    raise ValueError("the plugin has a bug")


def raise_without_words(method, what):
    """A bug that says nothing."""
    raise AssertionError


def interrupt(method, what):
    """Pretend that the user pressed Ctrl-C."""
    raise KeyboardInterrupt
