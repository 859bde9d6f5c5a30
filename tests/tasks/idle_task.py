"""A planted task that can do nothing, for tests in which a few of its methods matter."""

from scribe_suite.tasks.task import PlantedTask


class IdleTask(PlantedTask):
    family, name, summary, metrics = "circuits", "idle", "For tests.", ("f1",)

    def plant(self, seed, progress):
        raise NotImplementedError

    def instance(self, seed):
        raise NotImplementedError

    def score(self, instance, answer):
        raise NotImplementedError

    def oracle_answer(self, instance):
        raise NotImplementedError

    def random_answer(self, instance, rng):
        raise NotImplementedError
