"""Shows that answers that do not depend on the instance have no skill, in any task.

    python -m studies.constant_answers                             # all planted tasks, 200 instances each
    python -m studies.constant_answers --tasks circuits/ioi --instances 20
    python -m studies.constant_answers --source real --write       # and into the record and docs/reference/constants.md

`policies` lists constants that could be submitted without using the model. `hindsight` finds the best constant, given
the keys of the instances. `places` tests fixed vectors at every place in a model. `survey` scores all of them with the
tasks' scorers, on `light` instances where the key suffices. `record` stores the mean skills. If one of a task's mean
skills is above `record.BAR`, its zero of skill is wrong.
"""
