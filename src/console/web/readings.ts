/** What the page reads from the REST API, every ten seconds; the last answer stays until the next one comes. */
import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query'
import type { BooksAnswer, Overview, RunsAnswer, TablesAnswer } from '../answers.ts'

const refreshMs = 10_000
const patienceMs = 15_000

/** The shapes are the server's own (`answers.ts`), from the same build. */
async function read<T>(path: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]) })
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return (await response.json()) as T
}

function useReading<T>(key: readonly (string | number)[], path: string): UseQueryResult<T> {
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => read<T>(path, signal),
    refetchInterval: refreshMs,
    refetchOnWindowFocus: true,
    // A console on a machine without a network is still reachable.
    networkMode: 'always',
    retry: false,
    placeholderData: keepPreviousData,
    gcTime: Number.POSITIVE_INFINITY,
  })
}

export const useOverview = (minutes: number): UseQueryResult<Overview> =>
  useReading(['overview', minutes], `api/overview?minutes=${minutes}`)

export const useTables = (): UseQueryResult<TablesAnswer> => useReading(['tables'], 'api/tables')

export const useRuns = (): UseQueryResult<RunsAnswer> => useReading(['runs'], 'api/runs')

export const useBooks = (): UseQueryResult<BooksAnswer> => useReading(['books'], 'api/books')
