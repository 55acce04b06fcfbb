/**
 * What to do about a failure: one entry for each code, which looks at the facts of the error.
 *
 * `details.fault` distinguishes failures of one code that have different fixes. An error that was recorded has only
 * its code and message, and gets the hint for every failure of that code.
 */
import { type ErrorCode, isLakeError } from '../lib/base/errors.ts'
import { someOf } from '../lib/base/some-of.ts'
import { didYouMean } from './nearest.ts'

type Facts = Readonly<Record<string, unknown>>
type Hint = string | ((facts: Facts) => string)

interface Hints {
  readonly otherwise: Hint
  readonly faults?: Readonly<Record<string, Hint>>
}

const text = (value: unknown): string => String(value)
const list = (value: unknown): string => (Array.isArray(value) ? someOf(value.map(String)) : text(value))

const bringBack = ({ folder }: Facts): string =>
  `Bring the file back from a backup, or move ${text(folder)} away to begin a new log: what has landed stays.`

const oneRowAKey =
  'Bring the source to one row a key, such as with QUALIFY row_number() OVER (PARTITION BY key ORDER BY time DESC) = 1.'

/** The stages by their names in the errors of the pipeline. */
const commandOf = (stage: unknown): string => (stage === 'landing' ? 'lake land' : `lake ${text(stage)}`)

const catalogue: Readonly<Record<ErrorCode, Hints>> = {
  BUG: { otherwise: 'This should not happen. Run it again with --debug, and report what it shows.' },
  USAGE: {
    otherwise: ({ command }) =>
      command === undefined
        ? 'Correct what the message names; `lake help` lists the commands.'
        : `\`${text(command)} --help\` shows what it takes, with examples.`,
    faults: {
      'no-danfo': 'Run the notebook by `npm run notebook`, which installs it, or take `.rows()`.',
      'no-rows': 'See whether its condition leaves any row.',
      'not-in-sandbox':
        'Name it sandbox/NAME: a letter, and then letters, digits and _; `lake table append` writes to other tables.',
      'too-many-rows':
        'Ask for less: a `where`, a `limit`, fewer `columns`, or a `group by` in SQL. `.arrow()` takes millions of rows.',
      'metric-cell': ({ known, tag }) =>
        Array.isArray(known) && known.length > 0
          ? `Its cells tagged ${text(tag)} define ${list(known)}.`
          : `Tag the cell that calls defineMetric: in JupyterLab by the gear at the right, Cell Tags, ${text(tag)}.`,
      'metric-unknown': ({ given, known }) =>
        didYouMean(text(given), Array.isArray(known) ? known.map(String) : []) ??
        `The metrics are ${list(known)}.`,
      'notebook-ambiguous': 'Name the one that is meant by its path.',
      'notebook-unknown': ({ given, known }) =>
        didYouMean(text(given), Array.isArray(known) ? known.map(String) : []) ??
        '`lake notebook list` shows the notebooks there are; a path to one ends in .ipynb.',
      'parameter-unknown': ({ parameter, known }) =>
        didYouMean(text(parameter), Array.isArray(known) ? known.map(String) : []) ??
        (Array.isArray(known) && known.length > 0
          ? `Its parameters are ${list(known)}.`
          : 'It has no parameters: they are declared in a cell that is tagged parameters.'),
      'parameter-value': 'Its type is that of its default, in the cell that is tagged parameters.',
      'not-a-batch':
        '`lake runs list` shows the runs. Those of a notebook are run again with `lake notebook run NAME`.',
      'nothing-to-retry':
        '`lake batch` makes what has changed, `lake batch --full` everything; `lake runs list --state failed` shows what can be retried.',
      request: 'The API is described at /api/openapi.json.',
    },
  },
  CONFIG_INVALID: {
    otherwise: 'Correct the value that the message names.',
    faults: {
      'constraint-as-property':
        'Add it with `lake table alter TABLE --add-constraint`: the rows are then checked.',
      'constraint-exists': ({ name }) =>
        `Drop it first (\`lake table alter TABLE --drop-constraint ${text(name)}\`), or choose another name.`,
      'event-log-damaged': bringBack,
      'gate-of-no-task': 'Correct `gate` in the metadata of the notebook: `lake notebook list` shows it.',
      'host-not-ours': 'Set CONSOLE_HOST to an address of this machine; `hostname -I` lists them.',
      'mapping-fixed': 'A table that has files can go from none to name, and nowhere else.',
      'no-jupyter':
        'Name the folder of an environment that has Jupyter, or unset JUPYTER_VENV: one is then made.',
      'no-notebooks-folder': ({ folder }) =>
        `\`mkdir -p ${text(folder)}\` makes it, if it is a new one; else correct LAKESHORE_NOTEBOOKS, or bring the folder back.`,
      'newer-event-log': ({ folder }) =>
        `A newer release made this event log: run that release. If none did, log.json is damaged. ${bringBack({ folder })}`,
      'no-webhook': 'Set it to the address of a webhook, or ALERT_WEBHOOK_URL_FILE to a file that holds it.',
      'not-a-cron-expression': ({ setting }) =>
        `Set ${text(setting)} to five fields: minute, hour, day of month, month, day of week. "0 1 * * *" is daily at 01:00.`,
      'metrics-place':
        'Set METRICS_HOST to an address of this machine, and METRICS_PORT to a port above 1023.',
      'not-an-interval':
        'Use weeks, days, hours, minutes, seconds, milliseconds and microseconds, such as interval 7 days.',
      'producer-file-damaged': ({ path }) =>
        `Remove ${text(path)}: the producer then begins with few users, and completes no history.`,
      'property-fixed': 'Leave it out.',
      'property-not-set': '`lake table show TABLE` shows the properties that are set.',
      'property-unknown': 'Names of your own must not begin with delta.; docs/delta.md lists those of Delta.',
      'retention-too-short': ({ property }) =>
        `Readers of older versions and slow writers would lose files. Where there are none, add --force, or set ${text(property)}.`,
    },
  },
  FILE_MISSING: {
    otherwise: 'Nothing is at this path. Correct it, or make the file first.',
    faults: {
      'page-not-built':
        'Run `npm ci` without --omit=dev. For a place without Vite, start once with it, then `npm prune --omit=dev`: a build is kept in dist/console-web.',
    },
  },
  FILE_UNWRITABLE: {
    otherwise: ({ path }) =>
      `Make ${path === undefined ? 'it' : text(path)} writable for this user, or name another place.`,
    faults: {
      'home-unwritable': 'Make the folder writable, or set LAKE_HOME to another one.',
      'no-access': 'Give this user the rights on the file that the message names, or name another place.',
      stdout: 'Send stdout somewhere else.',
      'page-unwritable':
        'Make the folder writable, or run `npm run build` once as a user who may write there.',
    },
  },
  DISK_FULL: { otherwise: 'Free space, and run it again: nothing was committed, and it goes on from there.' },
  FILES_EXHAUSTED: {
    otherwise: 'Raise the limit of open files (`ulimit -n`), or stop what holds so many.',
  },
  OUT_OF_MEMORY: {
    otherwise:
      'Give the process more memory, or DuckDB in it (DUCKDB_MEMORY_LIMIT), and run it again: nothing is half done.',
  },
  PORT_TAKEN: {
    otherwise: 'Stop what listens on that port, or choose another one.',
    faults: {
      console: 'Choose another port with CONSOLE_PORT or --port, or stop what listens there.',
      metrics: 'Choose another port with METRICS_PORT: each process of this machine needs its own.',
      'port-reserved': 'Choose a port above 1023 with CONSOLE_PORT or --port.',
    },
  },
  HOME_LOCKED: { otherwise: 'Stop the other process, or set LAKE_HOME to another folder.' },
  TOOL_MISSING: {
    otherwise: 'Install what the message names, and run it again.',
    faults: {
      'build-failed': 'Correct what the compiler names; `npm run build` shows it again.',
      'no-package-index':
        'Give pip a package index (PIP_INDEX_URL), or name an environment that has Jupyter with JUPYTER_VENV.',
      'no-python':
        'Install Python 3.10 or newer with its module venv (Debian: python3-venv), or name an environment that has Jupyter with JUPYTER_VENV.',
      'no-venv':
        "Install Python's module venv (Debian: python3-venv), or name an environment that has Jupyter with JUPYTER_VENV.",
      'npm-failed': 'Give npm a registry that has the packages; `npm ci --prefix notebooks` shows it again.',
    },
  },
  INTERRUPTED: { otherwise: 'Run it again: it goes on where it was.' },

  OBJECT_MISSING: {
    otherwise:
      'A file of the table is gone. Bring it back from a backup, or restore a version that does not need it: `lake table restore TABLE --version N`.',
    faults: {
      'candidate-gone':
        '`lake batch` makes the days again, and keeps another candidate if its rows still break a check.',
      'files-vacuumed':
        'A vacuum has removed what this version needs. Restore a later one; nothing was changed.',
    },
  },
  STORE_UNAVAILABLE: { otherwise: 'The object store did not answer. It is safe to run it again.' },
  STORE_REFUSED: {
    otherwise: ({ name }) =>
      name === 'NoSuchBucket'
        ? 'Make the bucket, or correct LAKE_URI.'
        : 'Check the key, the secret and the rights on the bucket.',
    faults: {
      'no-conditional-writes': 'Use an object store with conditional writes (If-None-Match).',
      'unordered-listing': 'Use an object store that lists keys in the order of their bytes.',
    },
  },

  TABLE_MISSING: {
    otherwise: ({ table, known }) =>
      didYouMean(text(table), Array.isArray(known) ? known.map(String) : []) ??
      '`lake table list` shows the tables there are.',
    faults: {
      'not-written-yet': ({ table }) =>
        text(table).startsWith('bronze/') ? '`lake land --drain` makes it.' : '`lake batch` makes it.',
    },
  },
  TABLE_EXISTS: { otherwise: 'Write to the table that is there, or choose another path.' },
  VERSION_MISSING: {
    otherwise: ({ newest }) =>
      newest === undefined
        ? '`lake table history TABLE` shows the versions there are.'
        : `Name a version up to ${text(newest)}; \`lake table history TABLE\` shows them.`,
    faults: {
      'inputs-not-recorded': 'An older release made this run. Choose a newer one: `lake runs list`.',
      'replay-vacuumed':
        'Choose a newer run: `lake runs list`. Versions are kept for a week, and longer where delta.deletedFileRetentionDuration of the table says so.',
      'versions-reversed': 'Name the older version first.',
    },
  },
  LOG_CORRUPT: {
    otherwise: ({ version, protocol }) => {
      if (protocol !== undefined) return 'Set the protocol right with the engine that wrote the table.'
      const before = typeof version === 'number' && version > 0 ? text(version - 1) : 'N'
      return `Bring the file back from a backup. Versions before the damage can still be read: \`lake table read TABLE --version ${before}\`.`
    },
    faults: {
      'event-log-damaged': bringBack,
      'log-file-damaged': ({ file }) =>
        `Bring ${text(file)} back from a backup: what it held is not known. Versions before it can still be read with --version.`,
      'path-leaves-table':
        'No Delta writer makes such a path. Use the table again once its _delta_log is back from a backup.',
      'rejects-lost':
        'Bring back the commits of bronze/rejected, or both bronze tables from one backup: landing reads on from their offsets. If these rejects are gone for good, `lake land --accept-gap` goes on without them.',
      'unpacks-too-large':
        'No Delta writer makes such a checkpoint: do not trust its source. Where all commits are there, the checkpoint can be deleted; else bring it back from a backup.',
      'seal-broken': ({ kind }) =>
        `Bring the file back from a backup. ${
          kind === 'json'
            ? 'Where it was changed on purpose, take lakeshoreCrc32 out of it.'
            : 'Where all commits are there, the checkpoint can be deleted.'
        }`,
    },
  },
  PROTOCOL_UNSUPPORTED: {
    otherwise: ({ lacking }) =>
      lacking === undefined
        ? 'Use the engine that wrote the table for this; docs/delta.md lists what can be read and written here.'
        : `Use an engine that has ${list(lacking)}, such as Spark, or drop it there first: ALTER TABLE … DROP FEATURE.`,
    faults: {
      'columns-not-mapped':
        'First `lake table alter TABLE --set delta.columnMapping.mode=name`; readers that do not know column mapping cannot read the table then.',
      'engine-without-delta':
        'Give the engine a reader of Delta tables (for Apache Spark, the package delta-spark), or run this with BATCH_ENGINE=duckdb.',
      'not-for-engines': 'Run this with BATCH_ENGINE=duckdb.',
      'read-too-wide': 'Name the columns that are wanted: `lake table read TABLE --columns a,b`.',
      'read-too-deep': 'Read it with another engine, and keep the column as a text, such as JSON.',
    },
  },
  SCHEMA_MISMATCH: {
    otherwise: ({ missing, unknown }) => {
      if (Array.isArray(missing) && missing.length > 0) return `Add ${list(missing)} to the rows.`
      if (Array.isArray(unknown) && unknown.length > 0)
        return `Leave ${list(unknown)} out, or add --merge-schema: the table then gets these columns.`
      return 'Change the rows, or the column of the table, that the message names.'
    },
    faults: {
      'change-column-taken': ({ column }) =>
        `Rename ${text(column)}, or leave delta.enableChangeDataFeed off.`,
      'cast-for-engine': ({ column, to }) => `Write CAST(… AS ${text(to)}) AS ${text(column)} in the SELECT.`,
      'column-in-use': ({ usedBy }) => `Drop ${list(usedBy)} first, or leave the column as it is.`,
      'foreign-table': ({ table }) =>
        `${text(table)} was made by another version, or by a person. Rename it or drop it, then run again.`,
      'nested-too-deep': 'Keep the column as a text, such as JSON.',
      'not-a-wider-type':
        'A column can become a wider number, decimal or float, or from a date a timestamp_ntz.',
      'not-partitioned':
        'Say which rows are replaced with --where, or leave --partitions out to replace the whole table.',
      'partitions-changed': 'Read the changes before and after the change of partitions in two commands.',
      'rounded-number': ({ asText }) => `Read it as text: ${text(asText)}`,
      'source-lacks-columns': ({ missing }) =>
        `Add ${list(missing)} to the source, name the columns to set, or add --merge-schema: they are then left as they are.`,
      'too-many-columns':
        'Keep values of one kind in a map, a list or rows of their own, or leave columns out.',
      'type-unknown-to-delta': 'Cast the column to a type of Delta, such as VARCHAR.',
      'types-differ': ({ couldWiden, table, rows }) =>
        couldWiden === true
          ? `Set delta.enableTypeWidening=true for the column to become ${text(rows)}, or cast the rows to ${text(table)}.`
          : `Cast the rows to ${text(table)}.`,
    },
  },
  CONSTRAINT_VIOLATED: {
    otherwise: ({ constraint }) =>
      constraint === undefined
        ? 'Nothing was written. Correct the rows.'
        : `Nothing was written. Correct the rows, or drop the constraint: \`lake table alter TABLE --drop-constraint ${text(constraint)}\`.`,
    faults: {
      'append-only': '`lake table alter TABLE --set delta.appendOnly=false` allows it.',
      'compared-key-not-unique': ({ key }) =>
        `Name more columns than ${list(key)} in key, until they name one row.`,
      'column-has-nulls': ({ column }) =>
        `Nothing was changed. Delete the rows in which ${text(column)} is null, or give them a value, first.`,
      'key-not-unique': 'Name a --key that no two rows have.',
      'rows-violate-new-constraint':
        'Nothing was changed. Correct or delete the rows first; one for which the expression is null violates it too.',
      'source-repeats-key': oneRowAKey,
    },
  },
  COLUMN_MISSING: {
    otherwise: '`lake table show TABLE` shows its columns.',
    faults: {
      'column-not-in-rows': ({ column, known }) =>
        didYouMean(text(column), Array.isArray(known) ? known.map(String) : []) ??
        `The rows have ${list(known)}.`,
    },
  },
  COMMIT_CONFLICT: {
    otherwise: 'Another writer was faster. Run it again: it starts from the newest version.',
    faults: {
      'table-changed': 'Nothing was written. Compute the rows again from the newest version.',
      'writers-faster': 'Nothing was written. Try again when less is written to the table.',
    },
  },
  COMMIT_LOST: { otherwise: 'Other writers were faster each time. Run it again.' },
  COMMIT_UNKNOWN: {
    otherwise: '`lake table history TABLE` shows whether the change is there. Run it again if it is not.',
  },

  EVENTLOG_UNAVAILABLE: {
    otherwise: 'Check that the event log is up and KAFKA_BROKERS is right.',
    faults: {
      'connection-closed': 'Check that the brokers are up, and whether they ask for TLS or a password.',
      'leader-moves':
        'A partition is new, or a broker went away and another takes over. Try again in a few seconds; if it stays, see which broker is down.',
      'file-held': 'See which process writes to the event log, and whether it still lives.',
      'file-unusable': 'Check the disk and the rights on this path.',
      'folder-gone': 'Its folder is gone. Stop what was using it, bring the folder back, and start again.',
      'replay-unsettled': 'Run it again: it looks into the log first, and sends only what is not there.',
      'no-group-coordinator':
        'Check the brokers; where they ask for rights, the user also needs READ on the consumer group.',
    },
  },
  EVENTLOG_REFUSED: {
    otherwise: 'Check user, password and rights at the brokers.',
    faults: {
      'certificate-untrusted': 'Trust the authority that signed the certificate of the broker.',
      'right-missing': ({ operation, resource, name, isPrefix }) =>
        operation === undefined
          ? 'docs/kafka-rights.md has the rights that each stage needs.'
          : `Somebody who may alter rights gives it: \`kafka-acls.sh --bootstrap-server HOST:PORT --add --allow-principal User:NAME --operation ${text(operation)} ${resource === 'cluster' ? '--cluster' : `--${text(resource)} ${text(name)}`}${isPrefix === true ? ' --resource-pattern-type prefixed' : ''}\`. docs/kafka-rights.md has the rights that each stage needs.`,
    },
  },
  EVENTLOG_RESET: {
    otherwise: ({ folder }) =>
      folder === undefined
        ? 'The topic was re-created. Set KAFKA_TOPIC, or LAKE_URI and CLICKHOUSE_URL, to another one, or bring the old topic back.'
        : `The log has lost its newest messages: a segment.sqlite-wal in ${text(folder)} was damaged or deleted, or an older copy was put back. ${bringBack({ folder })}`,
    faults: {
      'another-log': ({ stage }) =>
        `Point the stage at the log that was read before, or bring that log back. If this log is meant, and holds other messages, \`${commandOf(stage)} --accept-new-log\` reads it from its start, once: messages that both logs hold would then count twice.`,
    },
  },
  EVENTLOG_GAP: {
    otherwise:
      'Retention took messages before they were read. Raise the retention. `lake land --accept-gap` and `lake realtime --accept-gap` go on after what is lost, and record it.',
    faults: {
      'counts-lost':
        'Bring the lost parts of the table back from a backup. If they are gone for good, `lake realtime --accept-gap` goes on without these counts, and records which.',
    },
  },
  MESSAGE_MISSING: {
    otherwise:
      '`lake rejected list` shows where rejected messages are; `lake trace PARTITION OFFSET` says what became of any.',
  },

  STAGE_PAUSED: {
    otherwise: ({ stage = 'STAGE' }) =>
      `\`lake stream resume ${text(stage)}\` ends the pause; nothing is lost until then.`,
  },

  CLICKHOUSE_UNAVAILABLE: {
    otherwise: ({ log, endOfLog }) =>
      log === undefined
        ? 'Check that ClickHouse is up and CLICKHOUSE_URL is right.'
        : `Its log is ${text(log)}; it ends: ${text(endOfLog)}`,
  },
  CLICKHOUSE_REFUSED: { otherwise: 'Check the user and the password in CLICKHOUSE_URL.' },
  CLICKHOUSE_FAILED: { otherwise: 'Correct what ClickHouse names; `lake doctor` tries each part.' },

  ENGINE_UNAVAILABLE: {
    otherwise:
      'Check that the engine is up and SPARK_CONNECT_URL is right, then run it again: what was written is seen by nobody. `lake doctor` tries it.',
  },
  ENGINE_REFUSED: { otherwise: 'Check SPARK_CONNECT_TOKEN, and what its user may do at the engine.' },
  ENGINE_FAILED: {
    otherwise: 'Correct what the engine names; its own log says more.',
    faults: {
      'engine-without-slots':
        'Start Sail with more slots, such as SAIL_CLUSTER__WORKER_TASK_SLOTS=16 for two workers; docs/scale-out.md says how many.',
      'file-not-engine': ({ folder }) =>
        `The machines of the engine and this one must have the same files at the same place: share ${text(folder)}, or put LAKE_URI on S3. If they do, an attempt that failed has left files: run it again.`,
      'path-not-for-engine': 'Put the tables into a folder whose path has letters, digits and - _ . = alone.',
    },
  },
  ENGINE_OUT_OF_MEMORY: {
    otherwise:
      'Give the workers of the engine more memory, or make fewer days at once: `lake batch --from --to`.',
  },

  SQL_INVALID: {
    otherwise: 'Correct the SQL where the message points.',
    faults: {
      'field-within-column': ({ column }) =>
        `Set ${text(column)} as a whole, such as with struct_update(${text(column)}, …).`,
      'not-an-expression':
        'Give an expression on the columns of the table, such as "event_type = \'click\'".',
      'table-in-clickhouse': ({ table }) =>
        `${text(table)} is in ClickHouse: add --engine clickhouse, or ask lake.clickhouse in a notebook.`,
      'table-unknown': ({ table, known }) =>
        didYouMean(text(table), Array.isArray(known) ? known.map(String) : []) ??
        `The lake has ${list(known)}.`,
      subquery: 'Use `lake table merge` to compare the table with other rows.',
      'value-does-not-fit':
        'Nothing was written. Correct the value that the message names, or cast it on purpose.',
      'volatile-function': ({ function: name }) => `Write the value that ${text(name)}() would give.`,
    },
  },

  RUNSTORE_UNAVAILABLE: {
    otherwise: 'Check that the database of METADATA_URL is up.',
    faults: { 'file-held': 'Another process writes to the file. If none should, look for one that hangs.' },
  },
  RUNSTORE_REFUSED: {
    otherwise: 'Check user, password and rights in METADATA_URL.',
    faults: {
      'newer-schema':
        'A newer release made this run store: run that release, or set METADATA_URL to another database. It has kept a copy from before; deploy/README.md says how to go back to it.',
      'not-a-run-store': ({ path }) =>
        `${text(path)} is no run store, or is damaged: move it away, or set METADATA_URL.`,
      'statement-refused': 'See what the database refuses, and give its user the rights.',
    },
  },
  BOOKS_UNBALANCED: {
    otherwise:
      '`lake ledger` and `lake reconcile` name the rows; `lake trace PARTITION OFFSET` tells the way of one.',
  },
  RELEASE_MISSING: { otherwise: '`lake release list` shows the releases there are.' },
  RUN_MISSING: {
    otherwise: '`lake runs list` shows the runs there are.',
    faults: {
      'no-candidate': ({ table, runs }) =>
        Array.isArray(runs) && runs.length > 0
          ? `Runs with a candidate of ${text(table)}: ${list(runs)}.`
          : `No run has a candidate of ${text(table)}: one is kept if its rows break a check of severity fail.`,
      'no-such-replay': '`lake rejected replays` shows the replays there are.',
    },
  },
  RUN_BUSY: { otherwise: 'Wait for the run that the message names, and run it again.' },
  LEASE_LOST: { otherwise: 'Another process took over. Run it again if that one did not finish.' },
  RUN_CANCELLED: {
    otherwise: ({ runId }) =>
      runId === undefined
        ? '`lake runs list` shows it, and `lake runs retry RUN` runs it again.'
        : `\`lake runs retry ${text(runId)}\` runs it again.`,
  },
  TASK_FAILED: {
    otherwise: ({ runId = 'RUN' }) =>
      `\`lake runs show ${text(runId)}\` shows the error of each task, \`lake runs logs ${text(runId)}\` what led to it; \`lake runs retry ${text(runId)} --failed\` runs it again.`,
    faults: {
      'backfill-not-whole': ({ runs, from, to }) =>
        `${(Array.isArray(runs) ? runs : []).map((run) => `\`lake runs show ${text(run)}\``).join(', ')} shows why. \`lake backfill --from ${text(from)} --to ${text(to)}\` then makes the days that failed, and no other.`,
      'rows-refused': ({ runId, tables }) =>
        `${(Array.isArray(tables) ? tables : []).map((table) => readCandidate(table, runId)).join(', ')} shows the rows that were refused; \`lake runs show ${text(runId)}\` the error of each task.`,
    },
  },
  TASK_TIMED_OUT: {
    otherwise:
      '`lake runs logs RUN TASK` shows how far it came. Where it needs longer, raise BATCH_TASK_TIMEOUT_SECONDS; then `lake runs retry RUN --failed`.',
  },
  CHECK_FAILED: {
    otherwise: 'Readers keep the last good version. Correct the rows that the message names.',
    faults: {
      'replay-differs': ({ table, runId }) =>
        `\`lake runs show ${text(runId)}\` has the versions; \`lake table history ${text(table)}\` says who wrote to it since. With other code than the run's, other rows are expected.`,
      'candidate-kept': ({ table, runId }) =>
        `Readers keep the last good version. ${readCandidate(table, runId)} shows the rows that were refused, until vacuum removes them.`,
      'gate-refused': ({ table, runId, gates }) =>
        `Readers keep the last good version. ${readCandidate(table, runId)} shows the rows that were refused; ${showGate(gates)}`,
      'gate-refused-discarded': ({ gates }) => `Readers keep the last good version. ${showGate(gates)}`,
      'gate-refused-load': ({ gates }) => `Readers keep the release that they have. ${showGate(gates)}`,
      'promotion-differs': ({ metric, task, isChange }) =>
        isChange === true
          ? `The project is as it was; \`lake batch --full --task ${text(task)}\` and \`lake batch\` make the rows by its own SQL again.`
          : `The project is as it was; \`lake table read gold/${text(metric)}\` shows what production made.`,
      'checked-in-cell':
        'Correct the rows, or what is expected of them; `error.details.failed` has some of the rows.',
      'counted-twice': countedTwice,
      'rows-without-day': ({ column }) =>
        `\`lake table read bronze/events --where "${text(column)} is null"\` shows them. Give them their day, or delete them: \`lake table delete bronze/events --where "${text(column)} is null" --force\`.`,
      'not-one-run': '`lake batch` makes what is missing, and publishes all of one run.',
      'load-incomplete': '`lake batch --full` loads every month again.',
    },
  },
  METRIC_REFUSED: {
    otherwise: 'Correct the definition in its cell, and try again with --dry-run: nothing was changed.',
  },
  CELL_FAILED: {
    otherwise: ({ copy }) =>
      copy === undefined
        ? 'Correct the cell that the message names, and run the notebook again.'
        : `Correct the cell; ${text(copy)} shows what the notebook has done up to there.`,
  },
  SOURCE_FAILED: {
    otherwise: 'Correct the source that the message names.',
    faults: {
      'failed-once': 'Run it again.',
      'file-damaged':
        'The file is cut off, damaged, or of another kind. Write it again, or bring it back from a backup.',
      'fix-script':
        'It is a module such as `export default ({ text }) => text?.replace("a", "b")`; `lake rejected replay --help` says more.',
      'file-unreadable':
        'Nothing was written. The ending of its name says what a file is read as: .parquet, .csv, .ndjson or .json, and .gz after it.',
      'message-too-large': 'Raise max.message.bytes of the topic, or send smaller messages.',
      'notebook-damaged':
        'Correct the file there, or bring it back from a backup; Jupyter writes such files.',
      'notebook-parameters':
        'One cell is tagged parameters, and it has nothing but declarations, such as const days = 7.',
      'not-a-literal': ({ callee }) =>
        `Write every value out in ${text(callee)}({ … }): texts, numbers, lists, objects.`,
      'promotion-step': 'Correct what it names in the definition; the project and the lake are as they were.',
      'not-a-file': ({ path }) => `Put the file itself at ${text(path)}.`,
      'row-file-value': 'Nothing was written. Correct the value there, or the type of the column.',
      'row-file-without-columns':
        'Nothing was written. Name the columns in a header, or in the keys of a JSON object.',
      'row-file-wrong': 'Nothing was written. Correct the file there.',
      'reading-late': 'What it reads is slow or busy. The last values are shown until it answers.',
      'written-elsewhere': 'Use a folder whose name has ASCII letters and digits alone.',
    },
  },
  WEBHOOK_UNAVAILABLE: {
    otherwise:
      'See that the receiver runs and can be reached from here; `lake alerts test` tries it again. Alerts that are open are sent later.',
  },
  WEBHOOK_REFUSED: {
    otherwise:
      'Correct ALERT_WEBHOOK_URL, and try it with `lake alerts test`; alerts that are open are sent then.',
  },
}

const readCandidate = (table: unknown, run: unknown): string =>
  `\`lake table read ${text(table)} --candidate ${text(run)}\``

/** Of the first that has refused. */
function showGate(gates: unknown): string {
  const [first]: readonly Facts[] = Array.isArray(gates) ? gates : []
  return `\`lake runs show ${text(first?.['run'])}\` says where the executed notebook is.`
}

function countedTwice({ overlaps, logId }: Facts): string {
  const first: unknown = Array.isArray(overlaps) ? overlaps[0] : undefined
  if (typeof first !== 'object' || first === null) return 'Delete the ranges that overlap, and start again.'
  const { table, partition, from, to }: Facts = Object.fromEntries(Object.entries(first))
  return `Delete the ranges that overlap, here \`ALTER TABLE realtime.${text(table)} DELETE WHERE log_id = '${text(logId)}' AND kafka_partition = ${text(partition)} AND offset_from < ${text(to)} AND offset_to > ${text(from)}\`, and start again: the stage counts them again from the log, as long as that holds them.`
}

/** The faults that have a hint of their own, by code. */
export const hintedFaults: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(catalogue).map(([code, { faults = {} }]) => [code, Object.keys(faults)]),
)

/**
 * Of an error, or of one that was recorded with its code. A command that knows better says so in `details.fix`.
 *
 * @param more facts that the error does not have: the command that failed.
 */
export function hintOf(error: unknown, more: Facts = {}): string {
  const { code, details } = factsOf(error)
  if (typeof details['fix'] === 'string') return details['fix']
  const { otherwise, faults = {} } = catalogue[code]
  const fault = details['fault']
  const hint = typeof fault === 'string' && Object.hasOwn(faults, fault) ? faults[fault] : otherwise
  return typeof hint === 'function' ? hint({ ...more, ...details }) : (hint ?? '')
}

function factsOf(error: unknown): { readonly code: ErrorCode; readonly details: Facts } {
  if (isLakeError(error)) return error
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return { code: isCode(code) ? code : 'BUG', details: {} }
}

const isCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(catalogue, code)
