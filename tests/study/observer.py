"""An observer of many runs that notes what it is told."""

from symcere_jax.study.workers import RunsObserver


class NotingObserver(RunsObserver):
    def __init__(self):
        self.told = []

    def start(self, total, done):
        self.told.append((total, done))

    def epoch(self, epoch):
        self.told.append((epoch.run, epoch.number))

    def end(self, line):
        self.told.append(line)
