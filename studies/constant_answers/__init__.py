"""Shows that answers that do not depend on the instance have no skill, in any task.

    python -m studies.constant_answers                             # all planted tasks, 200 instances each
    python -m studies.constant_answers --tasks circuits/ioi --instances 20
    python -m studies.constant_answers --source real --write       # and into the record and docs/reference/constants.md

`policies` names constants that could be submitted without looking. `hindsight` finds the best constant, given the keys
of the instances. `places` looks at fixed vectors everywhere in a model. `survey` lets the tasks score all of them, on
`light` instances where the key is enough. `record` keeps the mean skills. A task for which one of them is above
`record.BAR` has a wrong zero.
"""
