/** Silver and quarantine as SELECTs over `bronze_events`: each row of bronze is in one of them, or is a further delivery. */
import { invalidReasons, isValid } from './event-rules.ts'
import { columnNames, lakeTables } from './tables.ts'

/** Without quotes: DuckDB and Spark have different ones, and these names need none. */
const bronzeColumns = columnNames(lakeTables['bronze/events'].schema).join(', ')

/** Valid and the first of its deliveries. `event_date` stands in the key: an id on two days is kept on both. */
export const silverSelect = `
SELECT ${bronzeColumns} FROM (
  SELECT *, ROW_NUMBER() OVER (
    PARTITION BY event_date, event_id
    ORDER BY kafka_timestamp, kafka_partition, kafka_offset) AS delivery
  FROM bronze_events WHERE ${isValid})
WHERE delivery = 1`

export const quarantineSelect = `
SELECT ${bronzeColumns}, split(invalid, ',') AS reasons
FROM (SELECT *, ${invalidReasons} AS invalid FROM bronze_events)
WHERE invalid <> ''`
