"""Shared cells: the program as a tree of questions, then as code; needs numbers of prompts and bars."""

# %% [markdown]
# ## From questions to a program
#
# The part that matters most is taken first. Words that can stand for each other there (the same labels in the same
# random contexts) form a class. For each class, that part is fixed to it and the same question is asked again, until
# the label depends on nothing else. This finds which part matters when, the hidden groups and the tables together. It
# assumes nothing about the kind of program, only that few parts matter at a time.

# %%
PLACE = n_ctx  # the part that is no position


def classes_of(part, allowed, where):
    """Values of a part that can stand for each other: a list of (values, labels they gave)."""
    if part == PLACE:
        values = where
        rows = np.stack([rng.choice(choices, CONTEXTS) for choices in allowed], 1)
        variants = [rows.copy() for _ in values]
        for variant, place in zip(variants, values, strict=True):
            variant[:, place] = once
    else:
        elsewhere = [place for place in where if place != part]
        values = [*allowed[part], *([once] if part in where else [])]
        rows, standing = draw(allowed, elsewhere, CONTEXTS)
        variants = [with_word(rows, standing, part, value, allowed) for value in values]
    signatures = ask(np.concatenate(variants)).reshape(len(values), CONTEXTS)
    found = []
    for value, signature in zip(values, signatures, strict=True):
        for members, known in found:
            if np.mean(known[0] == signature) >= SAME:
                members.append(value)
                known.append(signature)
                break
        else:
            found.append(([value], [signature]))
    return [(members, np.concatenate(known)) for members, known in found]


def most_common(labels):
    counts = np.bincount(labels)
    return int(counts.argmax()), counts.max() / len(labels)


def explore(allowed, where, depth=0):
    """A label, or (part, [(values, what follows)])."""
    label, _ = most_common(ask(draw(allowed, where, LABELLED)[0]))
    effects = sensitivity(allowed, where, REDRAWN)
    if depth == 6 or effects.max() <= NOISE:
        return label
    part = int(effects.argmax())
    branches = []
    for values, seen in classes_of(part, allowed, where):
        label, share = most_common(seen)
        if share >= PURE:
            branches.append((values, label))
            continue
        narrowed, places_left = list(allowed), list(where)
        if part == PLACE:
            places_left = values
        elif values == [once]:
            places_left = [part]
        else:
            narrowed[part] = [value for value in values if value != once]
            if once not in values:
                places_left = [place for place in where if place != part]
        branches.append((values, explore(narrowed, places_left, depth + 1)))
    if all(isinstance(rest, int) and rest == branches[0][1] for _, rest in branches):
        return branches[0][1]
    return part, branches


tree = explore(anything, places)


# %%
def part_name(part):
    return "place of the single word" if part == PLACE else f"word {part}"


def depth_counts(node, depth=0, counts=None):
    """Which parts are looked at first, second, ...; and how many cases there are."""
    counts = {} if counts is None else counts
    if isinstance(node, int):
        counts["cases"] = counts.get("cases", 0) + 1
    else:
        counts.setdefault(depth, {}).setdefault(part_name(node[0]), []).append(len(node[1]))
        for _, rest in node[1]:
            depth_counts(rest, depth + 1, counts)
    return counts


counts = depth_counts(tree)
print(f"{counts.pop('cases')} cases")
for depth, parts in sorted(counts.items()):
    print(
        f"step {depth + 1}: "
        + "; ".join(f"{name} ({', '.join(map(str, sizes))} classes)" for name, sizes in parts.items())
    )

# %% [markdown]
# A program that is a few table look-ups shows as few steps with the same number of classes in every branch: a word that
# is looked at in every branch counts always; different words in different branches are chosen by the step above.
#
# ## The program as code
#
# Every step becomes an `if`, every last step a table from words to labels. A table or a set of words that occurs again
# keeps its name. A word that no table knows gets the table's commonest label, so that nothing can raise.

# %%
tables, sets = {}, {}


def named(known, content, letter):
    return known.setdefault(content, f"{letter}{len(known)}")


def lines_of(node, indent="    "):
    """Python lines that return the label of prompt p."""
    if isinstance(node, int):
        return [f"{indent}return {node}"]
    part, branches = node
    looked_at = "place" if part == PLACE else f"p[{part}]"
    if all(isinstance(rest, int) for _, rest in branches):
        table = tuple(sorted((value, rest) for values, rest in branches for value in values))
        default = most_common(np.array([rest for _, rest in table]))[0]
        return [f"{indent}return {named(tables, table, 'TABLE_')}.get({looked_at}, {default})"]
    lines = []
    for values, rest in branches[:-1]:
        lines += [
            f"{indent}if {looked_at} in {named(sets, tuple(sorted(values)), 'SET_')}:",
            *lines_of(rest, indent + "    "),
        ]
    return lines + lines_of(branches[-1][1], indent)


body = lines_of(tree)
code = "\n".join(
    [
        *(f"{name} = {set(content)}" for content, name in sets.items()),
        *(f"{name} = {dict(content)}" for content, name in tables.items()),
        "",
        "",
        "def label(p):",
        *([f"    place = p.index({once}) if {once} in p else {places[0]}"] if "place" in "\n".join(body) else []),
        *body,
        "",
        "",
        "def predict(prompts):",
        "    return [label(list(p)) for p in prompts]",
        "",
    ]
)
print(code)
