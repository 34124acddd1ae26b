"""Python's own ways between processes: a sender, started by `ringway bench`, and a receiver that it forks.

The first line of the standard input says the cores and the size of the shared memory; each further line is a job, answered
by a line with what both sides measured. Traffic, payload and clocks are those of the bench's own roles.
"""

import collections
import ctypes
import gc
import json
import multiprocessing
import os
import resource
import signal
import struct
import sys
import time
from multiprocessing import shared_memory

WORD = struct.Struct("=Q")
MOST_SLOTS = 1024
PR_SET_PDEATHSIG = 1
SENDER, RECEIVER = 0, 1
CONTEXT = multiprocessing.get_context("fork")


class Pipe:
    """`multiprocessing.Pipe`, with messages as bytes."""

    def __init__(self, _bytes):
        self.connections = CONTEXT.Pipe()

    def prepare(self, size):
        pass

    def ends(self, side, size):
        connection = self.connections[side]
        return connection.send_bytes, connection.recv_bytes


class Queue:
    """Two of `multiprocessing.Queue`; a thread of the sender's writes what was put, so each message is a copy."""

    def __init__(self, _bytes):
        self.queues = CONTEXT.Queue(), CONTEXT.Queue()

    def prepare(self, size):
        pass

    def ends(self, side, size):
        towards, back = self.queues[side], self.queues[1 - side]
        return lambda message: towards.put(bytes(message)), back.get


class Memory:
    """`multiprocessing.shared_memory` as a bounded ring, with a semaphore that counts messages and one that counts room."""

    def __init__(self, ring_bytes):
        self.ring_bytes = ring_bytes
        self.memory = shared_memory.SharedMemory(create=True, size=2 * ring_bytes)
        self.memory.unlink()
        self.messages = CONTEXT.Semaphore(0), CONTEXT.Semaphore(0)
        self.room = CONTEXT.Semaphore(0), CONTEXT.Semaphore(0)
        self.count = 0

    def slots(self, size):
        return min(self.ring_bytes // size, MOST_SLOTS)

    def prepare(self, size):
        """Makes room for as many messages as fit; the rings are empty, and nobody uses them."""
        count = self.slots(size)
        for room in self.room:
            for _ in range(self.count, count):
                room.release()
            for _ in range(count, self.count):
                room.acquire()
        self.count = count

    def ends(self, side, size):
        def area(direction):
            start, count = direction * self.ring_bytes, self.slots(size)
            return [slice(start + slot * size, start + (slot + 1) * size) for slot in range(count)]

        memory, towards, back = self.memory.buf, area(side), area(1 - side)
        room, sent = self.room[side].acquire, self.messages[side].release
        arrived, freed = self.messages[1 - side].acquire, self.room[1 - side].release
        written = read = 0

        def send(message):
            nonlocal written
            room()
            memory[towards[written]] = message
            sent()
            written = (written + 1) % len(towards)

        def recv():
            nonlocal read
            arrived()
            message = bytes(memory[back[read]])
            freed()
            read = (read + 1) % len(back)
            return message

        return send, recv


class Traffic:
    """One side of a job: the same loops as in `traffic.rs`."""

    def __init__(self, side, job, ends):
        self.side, self.job = side, job
        self.send_bytes, self.recv_bytes = ends
        size = job["size"]
        words = (((at ^ 0x5BD1) * 0x9E3779B97F4A7C15) % 2**64 for at in range(0, size, WORD.size))
        self.message = bytearray(b"".join(map(WORD.pack, words)))
        self.last = size - WORD.size
        self.inner = bytes(self.message[WORD.size : self.last])
        self.took = []

    def send(self, number):
        WORD.pack_into(self.message, 0, number)
        WORD.pack_into(self.message, self.last, number)
        self.send_bytes(self.message)

    def recv(self, number):
        message = self.recv_bytes()
        numbered = WORD.unpack_from(message, 0) == WORD.unpack_from(message, self.last) == (number,)
        whole = len(message) == len(self.message) and message[WORD.size : self.last] == self.inner
        if not (numbered and whole):
            raise ValueError(f"wrong payload: expected message {number:#x} of {len(self.message)} bytes")

    def rest(self):
        until = time.monotonic_ns() + self.job["rest"]
        while self.job["rest"] and time.monotonic_ns() < until:
            pass

    def ask(self, numbers):
        for number in numbers:
            self.send(number)
            self.recv(number)

    def ask_timed(self, numbers):
        for number in numbers:
            self.rest()
            began = time.monotonic_ns()
            self.send(number)
            self.recv(number)
            self.took.append(max(time.monotonic_ns() - began - self.job["rest"], 0))

    def reply(self, numbers):
        for number in numbers:
            self.recv(number)
            self.rest()
            self.send(number)

    def stream(self, numbers):
        for number in numbers:
            self.send(number)

    def receive(self, numbers):
        for number in numbers:
            self.recv(number)

    def main(self, numbers):
        loops = {
            "round-trip": (self.ask, self.reply),
            "single": (self.stream, self.receive),
            "wake": (self.ask_timed, self.reply),
            "wake-same-core": (self.ask_timed, self.reply),
        }
        loops[self.job["pattern"]][self.side](numbers)

    def measure(self):
        first = self.job["id"] << 32
        end = first + self.job["count"]
        usage, cpu, start = resource.getrusage(resource.RUSAGE_SELF), time.process_time_ns(), time.monotonic_ns()
        self.main(range(first, end))
        stop, used = time.monotonic_ns(), time.process_time_ns() - cpu
        after = resource.getrusage(resource.RUSAGE_SELF)
        (self.ask_timed, self.reply)[self.side](range(end, end + self.job["timed"]))
        return {
            "start": start,
            "end": stop,
            "rested": self.job["rest"] * self.job["count"],
            "cpu": used,
            "preempted": after.ru_nivcsw - usage.ru_nivcsw,
            "slept": after.ru_nvcsw - usage.ru_nvcsw,
            "probe": [0.0, 0.0],
            "latency": sorted(collections.Counter(self.took).items()),
        }


def take_seat(side, job, cores):
    """Goes to a side's core, or to the one that both share, with all threads."""
    shares = job["pattern"] == "wake-same-core"
    policy = os.SCHED_BATCH if shares else os.SCHED_OTHER
    for thread in map(int, os.listdir("/proc/self/task")):
        if cores:
            os.sched_setaffinity(thread, {cores[RECEIVER if shares else side]})
        os.sched_setscheduler(thread, policy, os.sched_param(0))


def receiver(control, ways, cores):
    """Takes the receiver's part in every job."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for job in iter(control.recv, None):
        take_seat(RECEIVER, job, cores)
        traffic = Traffic(RECEIVER, job, ways[job["mechanism"]].ends(RECEIVER, job["size"]))
        control.send("ready")
        control.send(traffic.measure())


def sender():
    """Takes the sender's part, and speaks for both."""
    setup = json.loads(sys.stdin.readline())
    kinds = {"python-pipe": Pipe, "python-queue": Queue, "python-memory": Memory}
    ways = {name: kind(setup["ring_bytes"]) for name, kind in kinds.items()}
    cores = setup["cores"]
    control, theirs = CONTEXT.Pipe()
    gc.disable()
    CONTEXT.Process(target=receiver, args=(theirs, ways, cores), daemon=True).start()
    theirs.close()
    for line in sys.stdin:
        job = json.loads(line)
        way = ways[job["mechanism"]]
        way.prepare(job["size"])
        control.send(job)
        take_seat(SENDER, job, cores)
        traffic = Traffic(SENDER, job, way.ends(SENDER, job["size"]))
        control.recv()
        print(json.dumps([traffic.measure(), control.recv()]), flush=True)
    control.send(None)


sender()
