/** How much memory this process and those beside it may take: of the container where it has a limit, else of the machine. */
import { totalmem } from 'node:os'

/** In bytes. @param constrained What the control group allows; without a limit 0 or beyond all machines. */
export function usableMemory(
  constrained: number = process.constrainedMemory(),
  total: number = totalmem(),
): number {
  return constrained > 0 ? Math.min(constrained, total) : total
}

/** The engines stand side by side under one limit; what they leave is Node's, and what DuckDB does not count. */
export interface MemoryShares {
  /** Bytes that DuckDB may take before it spills. */
  readonly duckdb: number
  /** Bytes that the embedded ClickHouse may take before it refuses a statement. */
  readonly clickhouse: number
}

const gib = 2 ** 30

/** A half to DuckDB; to ClickHouse two fifths of a machine, and no more than 8 GiB; in less than 4 GiB a quarter. */
export function memoryShares(usable: number = usableMemory()): MemoryShares {
  const clickhouse = usable < 4 * gib ? usable / 4 : Math.min(8 * gib, usable * 0.4)
  return { duckdb: Math.floor(usable / 2), clickhouse: Math.floor(clickhouse) }
}
