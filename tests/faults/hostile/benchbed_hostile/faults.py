"""Faults: each takes the method and its return value, and returns the value."""

import os
import random
import sys
import time

import numpy as np
import torch


def hang(method, value):
    print("hanging now", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.05)


def wait(method, value):
    """Sleep in one call."""
    print("hanging now", file=sys.stderr, flush=True)
    time.sleep(100_000)


def exit_with_success(method, value):
    sys.exit(0)


def exit_with_message(method, value):
    sys.exit("the plugin stops")


def print_text(method, value):
    """Write to stdout in four ways."""
    print("printed by print")
    sys.stdout.write("printed by write")
    os.write(1, b" printed by os.write\n")
    os.system("echo printed by a shell")
    return value


def fork(method, value):
    """Fork; the copy continues as the run."""
    os.fork()
    return value


def fork_and_raise(method, value):
    """Fork; the copy raises."""
    if os.fork() == 0:
        raise ValueError("error in the copy")
    return value


def seed(method, value):
    """Seed every global generator."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    return value


def fill_memory(method, value):
    """Allocate arrays without end."""
    arrays = []
    while True:
        arrays.append(np.ones(2**23))


def fill_memory_with_tensors(method, value):
    """Allocate a tensor that is too large."""
    return torch.ones(2**46)


def fill_device(method, value):
    """Raise the error of torch for a full accelerator."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def kill_itself(method, value):
    """Act as the system's out-of-memory killer."""
    os.kill(os.getpid(), 9)


def nan_loss(method, value):
    return {**value, "generator": value["generator"] * float("nan")}


def inf_loss(method, value):
    return {**value, "generator": value["generator"] + float("inf")}


def huge_loss(method, value):
    """Return a finite loss that soon overflows."""
    return {**value, "generator": value["generator"] * 1e12}


def nan_gradient(method, value):
    """Update with a NaN gradient; the returned losses are finite."""
    weight = next(method.generator.parameters())
    method.update("generator", (weight * float("nan")).sum())
    return value


def inf_weight(method, value):
    """Set a weight of the averaged generator to infinity."""
    with torch.no_grad():
        next(method.get_ema("generator").parameters())[0] = float("inf")
    return value


def nan_samples(method, value):
    value.image[0, 0, 0, 0] = float("nan")
    return value


def nan_data(method, value):
    """Update with a batch of NaN."""
    score = method.discriminator(torch.full((8, 1, method.data.size, method.data.size), np.nan))
    method.update("discriminator", score.mean())
    return {**value, "discriminator": score.mean()}


def raise_error(method, value):
    raise ValueError("the plugin has a bug")


def raise_without_message(method, value):
    raise AssertionError


def interrupt(method, value):
    """Simulate Ctrl-C."""
    raise KeyboardInterrupt
