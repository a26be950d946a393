"""Families on configuration, service logs, schedules and disks (all as copies)."""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    Move,
    Params,
    Scene,
    distinct,
    family,
    file_name,
    number,
    one_of,
)
from environments.os.families.folder import Folder, lines

_OPTIONS = words.listed(
    "MaxClients ListenPort KeepAlive LogLevel CacheSize IdleTimeout QueueLength RetryDelay UploadLimit"
)


@family(
    "system",
    "change",
    {"dir": DIRECTORY, "file": file_name("conf", "cfg"), "option": one_of(_OPTIONS), "value": number(12, 9000)},
    """
    - Set the option {option} to {value} in the configuration file {dir}/{file}.
    - In {dir}/{file} the entry {option} needs the value {value}; its line has the form "name = value".
    - Reconfigure the server: {option} in {dir}/{file} becomes {value}.
    - Change {dir}/{file} so that the line for {option} reads "{option} = {value}".
    - Let {option} be {value} from now on, by editing the configuration {dir}/{file}.
    - The configuration at {dir}/{file} has an outdated {option}; update it to {value} and keep the spacing.
    - Edit {file} in {dir}: assign {value} to the setting {option}.
    - Adjust one setting in {dir}/{file}, namely {option}, whose new value is {value}.
    """,
)
def set_option(p: Params, rng: random.Random) -> Scene:
    """sed -i replaces the line of {option} in {dir}/{file}."""
    rows = [f"{name} = {rng.randint(1, 11)}" for name in [p["option"], *distinct(rng, _OPTIONS, 4, p["option"])]]
    rng.shuffle(rows)
    rows = ["# written by hand", f"# {p['option']} is explained in the manual", *rows]
    new = [f"{p['option']} = {p['value']}" if row.startswith(f"{p['option']} =") else row for row in rows]
    before = Folder(p["dir"], {p["file"]: lines(*rows), "previous.txt": lines(*rows)})
    return Scene(
        before=before,
        reference=f"sed -i 's/^{p['option']} = .*/{p['option']} = {p['value']}/' {p['dir']}/{p['file']}",
        moves=(
            Move("I look at the configuration.", f"cat {p['dir']}/{p['file']}"),
            Move(
                "The comment that names the option stays; I change the setting's own line.",
                f"sed -i -E 's/^({p['option']} = )[0-9]+$/\\1{p['value']}/' {p['dir']}/{p['file']} && "
                f"grep -n {p['option']} {p['dir']}/{p['file']}",
            ),
        ),
        after=before.but({p["file"]: lines(*new)}),
    )


@family(
    "system",
    "number",
    {"dir": DIRECTORY, "file": file_name("log"), "service": one_of(words.SERVICES)},
    """
    - How many bytes did {service} send according to {dir}/{file}? Each line has service, status and bytes.
    - Sum the bytes (third column) of all lines of {service} in the log {dir}/{file}.
    - The log {dir}/{file} has three columns: service, status, bytes. What is the total of bytes for {service}?
    - Add up the traffic of {service} in {dir}/{file}; the number of bytes is the last thing on each line.
    - For the bill of {service}: total its bytes in {dir}/{file}, where lines read "service status bytes".
    - Work out from {dir}/{file} what {service} transferred in all, in bytes (the third field).
    - In {dir}/{file}, pick out the lines that begin with {service} and sum the byte counts at their end.
    - How large is the traffic that {dir}/{file} records for the service {service}, over all its lines, in bytes?
    """,
    unit=("byte", "bytes"),
)
def service_traffic(p: Params, rng: random.Random) -> Scene:
    """awk adds the third field of the lines of {service} in {dir}/{file}."""
    services = [p["service"], *distinct(rng, words.SERVICES, 2, p["service"])]
    rows = [
        (rng.choice(services), rng.choice((200, 301, 404)), rng.randint(90, 1900)) for _ in range(rng.randint(9, 20))
    ]
    rows += [(p["service"], 200, rng.randint(400, 900)) for _ in range(3)]
    rng.shuffle(rows)
    path = f"{p['dir']}/{p['file']}"
    return Scene(
        before=Folder(p["dir"], {p["file"]: lines(*(" ".join(map(str, row)) for row in rows))}),
        reference=f"awk '$1 == \"{p['service']}\" {{ s += $3 }} END {{ print s + 0 }}' {path}",
        moves=(
            Move("I look at the log's first lines.", f"head -n 3 {path}"),
            Move("Now the lines in question.", f"grep '^{p['service']} ' {path} | cut -d ' ' -f 3 | tr '\\n' ' '"),
            Move(
                "These are the numbers to add.",
                f"grep '^{p['service']} ' {path} | cut -d ' ' -f 3 | paste -sd+ | {{ read -r sum; echo $((sum)); }}",
            ),
        ),
        answer=str(sum(size for service, _, size in rows if service == p["service"])),
    )


@family(
    "system",
    "name",
    {"dir": DIRECTORY, "hour": number(0, 23), "minute": number(31, 59)},
    """
    - Which program does the schedule {dir}/crontab start every day at minute {minute} of hour {hour}?
    - {dir}/crontab is a copy of a crontab. Find the command that is due at hour {hour}, minute {minute}.
    - Something runs daily in hour {hour}, minute {minute}. Look into {dir}/crontab and name it.
    - In the crontab {dir}/crontab (minute, hour, then the usual fields), which job has minute {minute} and hour {hour}?
    - By the timetable in {dir}/crontab, what gets started when the clock shows hour {hour} and minute {minute}?
    - Search {dir}/crontab for the entry with minute field {minute} and hour field {hour}, and give its command.
    - The machine was busy in minute {minute} after the start of hour {hour}. What does {dir}/crontab run then?
    - Identify the job that the cron table {dir}/crontab plans for hour {hour} at minute {minute}.
    """,
)
def scheduled_job(p: Params, rng: random.Random) -> Scene:
    """The line of {dir}/crontab whose first two fields are {minute} and {hour}; its sixth field is the command."""
    jobs = distinct(rng, words.SERVICES, rng.randint(5, 8))
    slots = [
        (p["minute"], p["hour"]),
        (p["hour"], str(rng.randint(0, 23))),
        (p["minute"], str((int(p["hour"]) + 1) % 24)),
    ]
    slots += [(str(rng.randint(0, 29)), str(rng.randint(0, 23))) for _ in jobs[3:]]
    rows = [f"{minute} {hour} * * * run-{job}" for (minute, hour), job in zip(slots, jobs, strict=True)]
    rng.shuffle(rows)
    path = f"{p['dir']}/crontab"
    return Scene(
        before=Folder(p["dir"], {"crontab": lines("# m h dom mon dow command", *rows)}),
        reference=f'awk \'$1 == "{p["minute"]}" && $2 == "{p["hour"]}" {{ print $6 }}\' {path}',
        moves=(
            Move("I read the schedule.", f"cat {path}"),
            Move(
                "Minute comes first, then the hour. I print the command of the entry that fits both.",
                f"grep '^{p['minute']} {p['hour']} ' {path} | cut -d ' ' -f 6",
            ),
        ),
        answer=f"run-{jobs[0]}",
    )


@family(
    "system",
    "line",
    {"dir": DIRECTORY, "file": file_name("txt", "out")},
    """
    - A df listing was saved as {dir}/{file}. Which mount point is the fullest, by percentage?
    - Find the file system with the highest use in {dir}/{file} (output of df) and give its mount point.
    - According to the disk report {dir}/{file}, where is the file system mounted that has the greatest Use%?
    - Look at the column Use% of {dir}/{file} and report the mount point, the last column, of its maximum.
    - Which path in the saved df output {dir}/{file} is closest to running out of space, going by Use%?
    - In {dir}/{file} disks are listed with their fill level in percent. State the mount point of the fullest one.
    - Take the disk usage table {file} from {dir}: which mount point shows the largest percentage?
    - A disk will overflow soon. Find out from the df output in {dir}/{file} where the fullest one is mounted.
    """,
)
def fullest_disk(p: Params, rng: random.Random) -> Scene:
    """Sorting {dir}/{file} by the Use% column and taking the last field of the last line."""
    mounts = [
        f"/{rng.choice(('srv', 'mnt', 'var', 'data'))}/{name}"
        for name in distinct(rng, words.PLACES, rng.randint(5, 8))
    ]
    shares = rng.sample(range(4, 99), len(mounts))
    rows = [f"{rng.randint(100, 900) * 100} {share}% {mount}" for share, mount in zip(shares, mounts, strict=True)]
    rows = [f"/dev/vd{letter}1 {row}" for letter, row in zip("abcdefgh", rows, strict=False)]
    path = f"{p['dir']}/{p['file']}"
    return Scene(
        before=Folder(p["dir"], {p["file"]: lines("Filesystem 1K-blocks Use% Mounted-on", *rows)}),
        reference=f"tail -n +2 {path} | sort -n -k 3,3 | awk 'END {{ print $4 }}'",
        moves=(
            Move("I read the listing.", f"cat {path}"),
            Move(
                "The third column is the percentage[; awk finds its maximum|].",
                f"tr -d % < {path} | awk 'NR > 1 && $3 > top {{ top = $3; where = $4 }} END {{ print where }}'",
            ),
        ),
        answer=mounts[shares.index(max(shares))],
    )


FAMILIES = (
    set_option,
    service_traffic,
    scheduled_job,
    fullest_disk,
)
