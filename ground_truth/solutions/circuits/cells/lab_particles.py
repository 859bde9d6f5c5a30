"""Shared cells: circuits of which parts answer with labels of their own; needs cells/lab_testing.py."""

# %% [markdown]
# ## What can be
#
# A component may matter for some answers only. So a hypothesis says, for up to four parts of the circuit, which
# components it has and which labels are its own. A part is broken where a group holds one of its components. What is
# then answered depends on whether the part of the right label is broken, and whether that of the donor's is: the shares
# of "right", "the donor's" and "another" in these four states are not known either.
#
# There are too many hypotheses to keep them all. A few dozen are drawn from their posterior and moved along with every
# result: reweighted, resampled, and then changed by Markov chain Monte Carlo (Chopin 2002, "A sequential particle
# filter method for static models", Biometrika 89(3)). The next experiments are those, of many random ones, on whose
# results they disagree most (mutual information).

# %%
import math

HYPOTHESES, PARTS, MEMBER = 48, 4, 0.12
N, LABELS = len(nodes), int(max(pool_labels.max(), donor_labels.max())) + 1
RIGHT, DONORS, ANOTHER = range(3)
#: [state, result]: counts that are assumed beforehand. States: right label's part broken + 2 * donor's part broken.
BEFORE = np.array([
    [30 * (1 - WRONG), 30 * WRONG / 8, 30 * WRONG],
    [2.0, 0.5, 3.5],
    [4.0, 1.5, 1.0],
    [1.5, 3.0, 1.5],
])  # fmt: skip
flips = math.log(MEMBER / (1 - MEMBER))

members = rng.random((HYPOTHESES, PARTS, N)) < MEMBER
owner = rng.integers(PARTS, size=(HYPOTHESES, LABELS))
shares = np.log(BEFORE / BEFORE.sum(1, keepdims=True))[None].repeat(HYPOTHESES, 0)
groups_tried, rights, given, results = np.zeros((0, N), bool), *(np.zeros(0, int) for _ in range(3))
every = np.arange(HYPOTHESES)[:, None]


def states(parts_broken, right, donor):
    """[hypothesis, experiment] the state; parts_broken is [hypothesis, part, experiment]."""
    at = np.arange(len(right))[None]
    return parts_broken[every, owner[:, right], at] + 2 * parts_broken[every, owner[:, donor], at]


def inside_of(groups):
    return np.einsum("hpn,tn->hpt", members.astype(np.float32), groups.astype(np.float32))


def likelihood(parts_broken):
    return shares[every, states(parts_broken, rights, given), results[None]].sum(1)


def change_members():
    """One component enters or leaves one part, or takes the place of another one, in every hypothesis."""
    inside = inside_of(groups_tried)
    now = inside > 0
    before = likelihood(now)
    for step in rng.permutation(PARTS * N * 2):
        exchange, part, node = step >= PARTS * N, step // N % PARTS, step % N
        entering = ~members[:, part, node]
        delta = np.where(entering, 1.0, -1.0)[:, None] * groups_tried[:, node]
        odds = np.where(entering, flips, -flips)
        other = None
        if exchange:  # a member leaves where one enters, and the other way round
            tickets = rng.random((HYPOTHESES, N)) * (members[:, part] == entering[:, None])
            tickets[:, node] = 0
            other = tickets.argmax(1)
            possible = tickets.max(1) > 0
            delta = delta - np.where(entering, 1.0, -1.0)[:, None] * groups_tried[:, other].T
            count = members[:, part].sum(1)
            forth, back = np.where(entering, count, N - count), np.where(entering, N - count, count)
            odds = np.where(possible, np.log(np.maximum(forth, 1)) - np.log(np.maximum(back, 1)), -np.inf)
        changed = now.copy()
        changed[:, part] = inside[:, part] + delta > 0
        after = likelihood(changed)
        taken = np.log(rng.random(HYPOTHESES)) < after - before + odds
        members[taken, part, node] ^= True
        if other is not None:
            members[taken, part, other[taken]] ^= True
        inside[taken, part] += delta[taken]
        now[taken] = changed[taken]
        before = np.where(taken, after, before)


def change_owners():
    """Every label is given to a part anew (Gibbs), in every hypothesis."""
    parts_broken = inside_of(groups_tried) > 0
    for label in rng.permutation(LABELS):
        about = (rights == label) | (given == label)
        odds = np.zeros((HYPOTHESES, PARTS))
        for part in range(PARTS):
            owner[:, label] = part
            found = states(parts_broken[:, :, about], rights[about], given[about])
            odds[:, part] = shares[every, found, results[None, about]].sum(1)
        owner[:, label] = (odds + rng.gumbel(size=odds.shape)).argmax(1)


def change_shares():
    """How often what is answered in each state, given all results (Dirichlet)."""
    found = states(inside_of(groups_tried) > 0, rights, given)
    counts = BEFORE[None].repeat(HYPOTHESES, 0)
    for state in range(4):
        for result in range(3):
            counts[:, state, result] += ((found == state) & (results[None] == result)).sum(1)
    drawn = rng.gamma(counts)
    shares[:] = np.log(drawn / drawn.sum(2, keepdims=True) + 1e-9)


def sweep(times=1):
    for _ in range(times):
        change_members()
        change_owners()
        change_shares()


def matters():
    """[hypothesis, node] for which share of the labels a node matters."""
    share = np.stack([(owner == part).mean(1) for part in range(PARTS)], 1)
    return np.minimum(1, np.einsum("hpn,hp->hn", members, share))


# %% [markdown]
# ## Experiments
#
# Groups are drawn in two ways: any components at all, or some that a hypothesis holds for members among many that it
# holds for none.

# %%
AT_ONCE, COMPARED, SURE = 8, 240, 0.004


def random_groups(count):
    groups = rng.random((count, N)) < rng.uniform(0.02, 0.7, size=(count, 1))
    for group in groups[: count // 2]:
        believed = members[rng.integers(HYPOTHESES)].any(0)
        group[:] = rng.random(N) < np.where(believed, rng.choice([0.0, 0.15, 0.3]), rng.uniform(0, 1))
    return groups


def next_experiments():
    """Groups, prompts and donors on whose results hypotheses disagree most."""
    groups = random_groups(COMPARED)
    rows = rng.integers(len(pool), size=COMPARED)
    donor_of = np.array([donor_for(row) for row in rows])
    right, donor = pool_labels.numpy()[rows], donor_labels.numpy()[donor_of]
    parts_broken = inside_of(groups) > 0
    table = np.exp(shares)[every, states(parts_broken, right, donor)]  # [hypothesis, experiment, result]
    mean = table.mean(0)
    told = -(mean * np.log(mean)).sum(1) + (table * np.log(table)).sum(2).mean(0)
    told[~groups.any(1)] = -1
    return [(groups[i], int(rows[i]), int(donor_of[i])) for i in np.argsort(-told)[:AT_ONCE]]


def ask(group, row, donor):
    """RIGHT, DONORS or ANOTHER; None where the budget is used up."""
    if lab.budget.left < 2:
        return None
    inside = [node for node, chosen in zip(nodes, group, strict=True) if chosen]
    run = lab.run(pool[[row]], patch=[lab.interchange(node, donor_run, prompt=[donor]) for node in inside])
    label = int(answers(run)[0])
    return RIGHT if label == int(pool_labels[row]) else DONORS if label == int(donor_labels[donor]) else ANOTHER


def learn(asked, found):
    """Take in results: reweight and resample the hypotheses, then change them."""
    global members, owner, shares, groups_tried, rights, given, results
    new = [np.array([group for group, _, _ in asked])]
    new += [pool_labels.numpy()[[row for _, row, _ in asked]], donor_labels.numpy()[[donor for *_, donor in asked]]]
    table = states(inside_of(new[0]) > 0, new[1], new[2])
    odds = shares[every, table, np.array(found)[None]].sum(1)
    weights = np.exp(odds - odds.max())
    kept = np.searchsorted(np.cumsum(weights / weights.sum()), (np.arange(HYPOTHESES) + rng.random()) / HYPOTHESES)
    kept = np.minimum(kept, HYPOTHESES - 1)
    members, owner, shares = members[kept], owner[kept], shares[kept]
    groups_tried, rights = np.concatenate([groups_tried, new[0]]), np.concatenate([rights, new[1]])
    given, results = np.concatenate([given, new[2]]), np.concatenate([results, np.array(found)])
    sweep(SWEEPS)


SWEEPS, LEAST = 2, 0.08
certain = 0
while certain < 4:
    asked = next_experiments()
    found = []
    for group, row, donor in asked:
        seen = ask(group, row, donor)
        if seen is None:
            break
        found.append(seen)
    if not found:
        break
    learn(asked[: len(found)], found)
    belief = (matters() > LEAST).mean(0)
    certain = certain + 1 if np.minimum(belief, 1 - belief).max() <= SURE else 0

# %%
beliefs = []
for _ in range(20):
    sweep()
    beliefs.append(matters() > LEAST)
beliefs = np.concatenate(beliefs)
belief = beliefs.mean(0)
print({node: round(float(p), 2) for node, p in zip(nodes, belief, strict=True) if p > 0.05})
print(f"{len(results)} prompts patched; {start.left - lab.budget.left} of {start.total} spent, {lab.budget} now")
