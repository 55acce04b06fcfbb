/** Tables for Spark to make, one for each thing that the log or the files of a table may hold. */

const table = 'delta.`PATH`'

export interface SparkTable {
  readonly name: string
  readonly statements: readonly string[]
  /** What is found in the text of its commits or the names of its files: the thing that the table is for. */
  readonly shows: readonly RegExp[]
  /** What keeps us from writing to it. */
  readonly refused?: string
}

const values = (from: number, to: number, part: string): string =>
  `select id, ${part} part, cast(id as int) i, cast(id as smallint) s, cast(id as tinyint) b, cast(id / 2 as float) f,
  case id % 7 when 5 then double('-0.0') when 6 then double('NaN') else id / 10 end d, id % 2 = 0 ok, if(id % 5 = 3, null, concat('Zoë 🦆 ', id)) word, cast(concat('b', id) as binary) raw,
  date'2026-02-27' day, timestamp'2026-01-02 03:04:05.000006Z' at, timestamp_ntz'2026-01-02 03:04:05.000006' local,
  cast(concat(id, '234567890123456789.0123456789') as decimal(38,10)) money, array(cast(id as int), null) items,
  named_struct('name', 'n', 'tags', array('t', null)) who, map('k', id, 'null', null) lookup from range(${from}, ${to})`

export const sparkTables: readonly SparkTable[] = [
  {
    name: 'all types, deletion vectors and a feed',
    statements: [
      `create table ${table} (id long, part string, i int, s smallint, b tinyint, f float, d double, ok boolean, word string,
        raw binary, day date, at timestamp, local timestamp_ntz, money decimal(38,10), items array<int>,
        who struct<name: string, tags: array<string>>, lookup map<string, long>) using delta partitioned by (part)
        tblproperties ('delta.enableDeletionVectors' = 'true', 'delta.enableChangeDataFeed' = 'true', 'delta.checkpointInterval' = '4')`,
      `insert into ${table} ${values(0, 12, `concat('p', id % 2)`)}`,
      `insert into ${table} ${values(12, 16, `if(id % 2 = 0, null, 'p/ q=%é')`)}`,
      `delete from ${table} where id = 4`,
      `delete from ${table} where id in (6, 13)`,
      `update ${table} set word = 'up', part = 'u' where id < 3`,
      `merge into ${table} t using (${values(10, 20, `'m'`)}) s on t.id = s.id when matched and s.id = 11 then delete
        when matched then update set word = 'merged' when not matched then insert *
        when not matched by source and t.id = 0 then delete`,
      `optimize ${table}`,
      `insert overwrite ${table} ${values(50, 53, `'o'`)}`,
    ],
    shows: [/"storageType":"u"/, /_change_data/, /\.checkpoint\.parquet/],
  },
  {
    name: 'partitions of all types',
    statements: [
      `create table ${table} (id long, d date, t timestamp, l timestamp_ntz, m decimal(12,3), b boolean, i int, x binary, f float,
        g double) using delta partitioned by (d, t, l, m, b, i, x, f, g)`,
      `insert into ${table} values (1, date'2026-02-28', timestamp'2026-01-02 03:04:05.000006Z',
        timestamp_ntz'2026-01-02 03:04:05.000006', 12.345, true, -7, x'6162', float('1.5'), double('1e300')),
        (2, null, null, null, null, null, null, null, null, null),
        (3, date'1969-12-31', timestamp'1969-12-31 23:59:59Z', timestamp_ntz'2026-12-31 00:00:00', 0, false, 0, x'7a',
        float('NaN'), double('-Infinity'))`,
      `delete from ${table} where i = 0`,
    ],
    shows: [/"m":"12.345"/],
  },
  {
    name: 'types widened at every depth',
    statements: [
      `create table ${table} (id int, b byte, s short, f float, d date, m decimal(6,2), st struct<x: byte, y: array<int>>,
        a array<int>, mp map<int, short>, p int, q date) using delta partitioned by (p, q)
        tblproperties ('delta.enableTypeWidening' = 'true', 'delta.feature.timestampNtz' = 'supported')`,
      `insert into ${table} values (1, 1Y, 2S, float(0.1), date'2026-01-01', 1.25, named_struct('x', 5Y, 'y', array(1, null)),
        array(1, 2), map(1, 2S), 7, date'2026-01-01')`,
      `alter table ${table} alter column id type double`,
      `alter table ${table} alter column b type decimal(12,2)`,
      `alter table ${table} alter column s type long`,
      `alter table ${table} alter column f type double`,
      `alter table ${table} alter column d type timestamp_ntz`,
      `alter table ${table} alter column m type decimal(20,5)`,
      `alter table ${table} alter column st.x type long`,
      `alter table ${table} alter column st.y.element type long`,
      `alter table ${table} alter column a.element type double`,
      `alter table ${table} alter column mp.key type long`,
      `alter table ${table} alter column mp.value type int`,
      `alter table ${table} alter column p type long`,
      `alter table ${table} alter column q type timestamp_ntz`,
      `insert into ${table} values (2.5, 12345.67, 300000000000L, 0.1, timestamp_ntz'2026-01-01 01:02:03', 123456.12345,
        named_struct('x', 5000000000L, 'y', array(5000000000L)), array(1.5D), map(5000000000L, 70000), 5000000000L,
        timestamp_ntz'2026-01-01 01:02:03')`,
    ],
    shows: [/"fieldPath/, /delta.typeChanges/],
  },
  {
    name: 'names of columns mapped, at every depth',
    statements: [
      `create table ${table} (id int, word string, who struct<name: string, age: int>, list array<struct<x: int, y: string>>,
        m map<string, struct<z: int, w: int>>, part string) using delta partitioned by (part)
        tblproperties ('delta.columnMapping.mode' = 'name', 'delta.enableTypeWidening' = 'true',
        'delta.enableDeletionVectors' = 'true', 'delta.checkpointInterval' = '5')`,
      `insert into ${table} values (1, 'a', struct('n', 1), array(struct(1, 'y')), map('k', struct(1, 2)), 'p'),
        (2, 'b', null, null, null, null), (3, null, struct(null, 3), array(), map(), 'q')`,
      `alter table ${table} rename column word to \`a, b.c; "d" \`\`e\`\` (ü)\``,
      `alter table ${table} rename column who.age to years`,
      `alter table ${table} rename column part to \`the part\``,
      `alter table ${table} rename column list.element.x to \`x x\``,
      `alter table ${table} add columns (more decimal(10,2), who.mail string)`,
      `insert into ${table} values (4, 'd', struct('m', 4, 'x@y'), array(struct(4, 'l')), map('j', struct(4, 4)), 'p', 1.25)`,
      `alter table ${table} alter column id type long`,
      `alter table ${table} alter column more type decimal(20,4)`,
      `alter table ${table} drop column who.name`,
      `alter table ${table} drop column m.value.z`,
      `insert into ${table} values (5000000000, 'e', null, null, map('i', struct(5)), 'q', 123456789.0001)`,
      `alter table ${table} drop column \`a, b.c; "d" \`\`e\`\` (ü)\``,
      `alter table ${table} add columns (word int after id, who.name long first, list.element.w double, m.value.z long)`,
      `delete from ${table} where id = 3`,
      `update ${table} set who.years = 10 where id = 1`,
    ],
    shows: [/physicalName/, /\.checkpoint\.parquet/],
  },
  {
    name: 'columns mapped by id, names changed at every depth',
    statements: [
      `create table ${table} (id int, part string, who struct<name: string, age: int>, list array<struct<x: int, y: string>>,
        m map<string, struct<z: int, w: int>>) using delta partitioned by (part)
        tblproperties ('delta.columnMapping.mode' = 'id', 'delta.checkpointInterval' = '4')`,
      `insert into ${table} values (1, 'a', struct('n', 1), array(struct(1, 'y')), map('k', struct(1, 2))), (2, null, null, null, null)`,
      `alter table ${table} rename column id to key`,
      `alter table ${table} rename column part to id`,
      `alter table ${table} rename column who.age to years`,
      `alter table ${table} rename column list.element.x to xx`,
      `alter table ${table} drop columns (who.name, m.value.z)`,
      // No field within a list or a map: Spark 4.0.0 cannot read those of old files by id.
      `alter table ${table} add columns (word long first, who.name long)`,
      `insert into ${table} values (10, 3, 'c', struct(4, 5L), array(struct(5, 'yy')), map('k', struct(4)))`,
      `delete from ${table} where id = 'a'`,
    ],
    shows: [/"delta.columnMapping.mode":"id"/, /\.checkpoint\.parquet/],
  },
  {
    name: 'columns mapped later, and no longer',
    statements: [
      `create table ${table} (id long, word string, part int) using delta partitioned by (part)
        tblproperties ('delta.minReaderVersion' = '1', 'delta.minWriterVersion' = '2', 'delta.enableDeletionVectors' = 'false')`,
      `insert into ${table} values (1, 'a', 1), (2, 'b', 2)`,
      `alter table ${table} set tblproperties ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')`,
      `alter table ${table} rename column word to \`a word\``,
      `alter table ${table} add columns (more int)`,
      `insert into ${table} values (3, 'c', 1, 3)`,
      `alter table ${table} rename column \`a word\` to word2`,
      `alter table ${table} set tblproperties ('delta.columnMapping.mode' = 'none')`,
      `insert into ${table} values (4, 'd', 1, 4)`,
    ],
    shows: [/"minReaderVersion":2/, /"delta.columnMapping.mode":"none"/],
  },
  {
    name: 'variants',
    statements: [
      `create table ${table} (id int, v variant, s struct<v: variant, n: int>, a array<variant>, m map<string, variant>) using delta
        tblproperties ('delta.checkpointInterval' = '2', 'delta.checkpoint.writeStatsAsJson' = 'false',
        'delta.checkpoint.writeStatsAsStruct' = 'true')`,
      `insert into ${table} select 1, parse_json('{"a":1,"b":[1,"x",null,true,1.5]}'), named_struct('v', parse_json('"in"'), 'n', 1),
        array(parse_json('1'), null), map('k', parse_json('{"z":{}}'))`,
      `insert into ${table} select 2, null, null, null, null union all select 3, parse_json('null'), named_struct('v', null, 'n', 2), array(), map()`,
      `delete from ${table} where id = 2`,
    ],
    shows: [/"type":"variant"|\\"variant\\"/, /\.checkpoint\.parquet/],
    refused: 'variantType',
  },
  {
    name: 'V2 checkpoints with many sidecars, in JSON',
    statements: [
      `create table ${table} (id long, p int) using delta partitioned by (p)
        tblproperties ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2', 'delta.enableDeletionVectors' = 'true')`,
      'set spark.databricks.delta.checkpointV2.topLevelFileFormat = json',
      'set spark.databricks.delta.checkpoint.partSize = 3',
      `insert into ${table} select id, id % 5 from range(50)`,
      `delete from ${table} where id % 3 = 0`,
      `insert into ${table} select id, id % 5 from range(50, 70)`,
      'reset spark.databricks.delta.checkpoint.partSize',
      'reset spark.databricks.delta.checkpointV2.topLevelFileFormat',
    ],
    shows: [/_sidecars\/\d+\.checkpoint\.0000000002/, /checkpoint\.[0-9a-f-]+\.json/],
  },
  {
    name: 'V2 checkpoints in Parquet',
    statements: [
      `create table ${table} (id long, p int) using delta partitioned by (p)
        tblproperties ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '2')`,
      'set spark.databricks.delta.checkpointV2.topLevelFileFormat = parquet',
      `insert into ${table} select id, id % 5 from range(50)`,
      `delete from ${table} where id % 3 = 0`,
      'reset spark.databricks.delta.checkpointV2.topLevelFileFormat',
    ],
    shows: [/checkpoint\.[0-9a-f-]+\.parquet/],
  },
  {
    name: 'multi-part checkpoints, statistics in columns alone',
    statements: [
      `create table ${table} (id long, w string, at timestamp, p int) using delta partitioned by (p)
        tblproperties ('delta.checkpointInterval' = '2', 'delta.enableDeletionVectors' = 'true',
        'delta.checkpoint.writeStatsAsJson' = 'false', 'delta.checkpoint.writeStatsAsStruct' = 'true')`,
      'set spark.databricks.delta.checkpoint.partSize = 5',
      `insert into ${table} select id, concat('w', id), timestamp'2026-01-01 00:00:00.123456Z', id % 4 from range(50)`,
      `delete from ${table} where id % 3 = 0`,
      'reset spark.databricks.delta.checkpoint.partSize',
    ],
    shows: [/checkpoint\.0000000002\.00000000/],
  },
  {
    name: 'row tracking and in-commit times, from the middle of its life on',
    statements: [
      `create table ${table} (id long, w string) using delta`,
      `insert into ${table} values (1, 'a'), (2, 'b'), (3, 'c')`,
      `alter table ${table} set tblproperties ('delta.enableInCommitTimestamps' = 'true')`,
      `alter table ${table} set tblproperties ('delta.enableRowTracking' = 'true')`,
      `update ${table} set w = 'z' where id = 2`,
      `optimize ${table}`,
      `insert into ${table} values (4, 'd')`,
    ],
    shows: [/"inCommitTimestamp":/, /baseRowId/, /delta\.rowTracking/],
    refused: 'rowTracking',
  },
  {
    name: 'liquid clustering',
    statements: [
      `create table ${table} (id long, word string) using delta cluster by (id)`,
      `insert into ${table} select id, concat('w', id) from range(100)`,
      `optimize ${table}`,
      `delete from ${table} where id % 7 = 0`,
      `alter table ${table} cluster by none`,
    ],
    shows: [/delta\.clustering/],
    refused: 'clustering',
  },
  {
    name: 'default values',
    statements: [
      `create table ${table} (id long, at timestamp, day date, word string default 'w') using delta partitioned by (day)
        tblproperties ('delta.feature.allowColumnDefaults' = 'supported')`,
      `insert into ${table} (id, at, day) values (1, timestamp'2026-01-02 03:04:05Z', date'2026-01-02'), (2, null, null)`,
      `insert into ${table} values (3, timestamp'1969-12-31 23:59:59.999999Z', date'1969-12-31', 'x')`,
    ],
    shows: [/CURRENT_DEFAULT/],
    refused: 'allowColumnDefaults',
  },
  {
    name: 'features dropped again, checkpoints protected',
    statements: [
      `create table ${table} (id long, word string) using delta tblproperties ('delta.feature.checkpointProtection' = 'supported')`,
      `alter table ${table} add constraint positive check (id > 0)`,
      `insert into ${table} values (1, 'a')`,
      `alter table ${table} drop constraint positive`,
      `alter table ${table} drop feature checkConstraints`,
      `insert into ${table} values (-1, 'late')`,
    ],
    shows: [/checkpointProtection/, /"operation":"DROP FEATURE"/],
    refused: 'checkpointProtection',
  },
  {
    name: 'replaced, by parts and as a whole',
    statements: [
      `create table ${table} (id long, p string) using delta partitioned by (p)`,
      `insert into ${table} values (1, 'a'), (2, 'b'), (3, null)`,
      'set spark.sql.sources.partitionOverwriteMode = dynamic',
      `insert overwrite ${table} values (4, 'a'), (5, null)`,
      'reset spark.sql.sources.partitionOverwriteMode',
      `insert into ${table} replace where p = 'b' values (6, 'b')`,
      `insert into ${table} replace where id = 6 values (6, null)`,
      `delete from ${table}`,
      `restore table ${table} to version as of 2`,
    ],
    shows: [/"operation":"RESTORE"/],
  },
  {
    name: 'variants with parts in columns of their own',
    statements: [
      `create table ${table} (id int, v variant) using delta tblproperties ('delta.enableVariantShredding' = 'true')`,
      'set spark.sql.variant.writeShredding.enabled = true',
      `set spark.sql.variant.forceShreddingSchemaForTest = a int, b string, c array<int>, d struct<e decimal(10,2), f date,
        g timestamp>, h boolean, i double, k float, l bigint, m decimal(38,3)`,
      `insert into ${table} select 1, parse_json('{"a":1,"b":"x","c":[1,2,"three"],"d":{"e":1.25,"h":7},"z":[{"y":1}]}')`,
      `insert into ${table} select 2, parse_json('{"a":"not","q":9}') union all select 3, parse_json('"plain"') union all
        select 4, null union all select 5, parse_json('null') union all select 6, parse_json('{"a":null,"c":{}}')`,
      `insert into ${table} select 7, to_variant_object(named_struct('l', 5000000000L, 'h', true, 'i', 1.5D, 'j', x'00ff',
        'k', float(0.1), 'm', cast('12345678901234567890.123' as decimal(38,3)), 'n', timestamp_ntz'2026-01-02 03:04:05.000006',
        'd', named_struct('f', date'1969-12-31', 'g', timestamp'2026-01-02 03:04:05.000006Z')))`,
      'reset spark.sql.variant.forceShreddingSchemaForTest',
      'reset spark.sql.variant.writeShredding.enabled',
    ],
    shows: [/variantShredding/],
    refused: 'variantShredding-preview,variantType',
  },
  {
    name: 'a shallow clone',
    statements: [
      'create table delta.`PATH of%20another` (id long, p string) using delta partitioned by (p) tblproperties (delta.enableDeletionVectors = true)',
      "insert into delta.`PATH of%20another` select id, concat('p /', id % 2) from range(10)",
      'delete from delta.`PATH of%20another` where id = 3',
      `create table ${table} shallow clone delta.\`PATH of%20another\``,
      `insert into ${table} values (100, 'own')`,
      `delete from ${table} where id = 4`,
    ],
    shows: [/"path":"file:/, /"storageType":"p"/],
  },
  {
    name: 'made of Parquet files',
    statements: [
      `create table converted using parquet partitioned by (p) location 'PATH' as
        select id, concat('w', id) w, if(id % 3 = 0, null, concat('p /=%', id % 2)) p from range(10)`,
      'convert to delta parquet.`PATH` partitioned by (p string)',
      `delete from ${table} where id = 4`,
    ],
    shows: [/"operation":"CONVERT"/, /__HIVE_DEFAULT_PARTITION__/],
  },
  {
    name: 'names of the engine, and old ways of Parquet',
    statements: [
      `create table ${table} (filename string, file_index int, file_row_number int, \`row\` int, place int, _file int, _row int,
        c0 array<struct<x: int, y: array<int>>>, lake_file map<string, array<string>>, d1 decimal(5,2), d2 decimal(15,2),
        d3 decimal(30,2), at timestamp, day date) using delta partitioned by (place)`,
      'set spark.sql.parquet.writeLegacyFormat = true',
      'set spark.sql.parquet.outputTimestampType = INT96',
      'set spark.sql.parquet.compression.codec = gzip',
      `insert into ${table} values ('f', 1, 2, 3, 4, 5, 6, array(named_struct('x', 1, 'y', array(1, null))),
        map('k', array('a', null)), 1.25, 1.25, 1.25, timestamp'2026-01-02 03:04:05.000006Z', date'0001-01-01'),
        ('g', 1, 2, 3, 4, 5, 6, array(), map(), null, null, null, timestamp'9999-12-31 23:59:59.999999Z', date'9999-12-31'),
        ('h', 1, 2, 3, 4, 5, 6, null, null, null, null, null, timestamp'1600-02-28 00:00:00Z', date'1582-10-04')`,
      'reset spark.sql.parquet.writeLegacyFormat',
      'set spark.sql.parquet.outputTimestampType = TIMESTAMP_MILLIS',
      'set spark.sql.parquet.compression.codec = lz4_raw',
      `insert into ${table} select * from ${table} where filename = 'f'`,
      'reset spark.sql.parquet.outputTimestampType',
      'set spark.sql.parquet.compression.codec = zstd',
      `delete from ${table} where filename = 'g'`,
      'reset spark.sql.parquet.compression.codec',
    ],
    shows: [/lz4/],
  },
  {
    name: 'columns as Iceberg asks for them',
    statements: [
      `create table ${table} (id int, w string, l array<int>, p int) using delta partitioned by (p)
        tblproperties ('delta.enableIcebergCompatV2' = 'true', 'delta.columnMapping.mode' = 'name')`,
      `insert into ${table} values (1, 'a', array(1), 7), (2, null, null, null)`,
    ],
    shows: [/icebergCompatV2/],
    refused: 'icebergCompatV2',
  },
]
