/** What users do, and where: the two weightings that the producer knows. */
import type { EventType, Source } from '../model/event.ts'

type Weighted<T extends string> = readonly (readonly [T, number])[]

export interface Profile {
  /** Clicks outnumber logins, logins purchases, purchases logouts. */
  readonly types: Weighted<EventType>
  readonly sources: Weighted<Source>
  readonly pages: Readonly<Record<EventType, Weighted<string>>>
  /** Share of users who ever buy; what would be a purchase of another user is a click. */
  readonly buyers: number
}

export const profileNames = ['web', 'shop'] as const
export type ProfileName = (typeof profileNames)[number]

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  web: {
    types: [
      ['click', 56],
      ['login', 22],
      ['purchase', 18],
      ['logout', 4],
    ],
    sources: [
      ['web', 60],
      ['mobile', 40],
    ],
    pages: {
      click: [
        ['/home', 30],
        ['/products', 30],
        ['/search', 15],
        ['/cart', 10],
        ['/offers', 8],
        ['/account', 5],
        ['/help', 2],
      ],
      login: [
        ['/home', 70],
        ['/account', 20],
        ['/checkout', 10],
      ],
      purchase: [
        ['/checkout', 45],
        ['/cart', 25],
        ['/products', 20],
        ['/offers', 10],
      ],
      logout: [
        ['/home', 60],
        ['/account', 40],
      ],
    },
    buyers: 0.6,
  },
  shop: {
    types: [
      ['click', 49],
      ['login', 24],
      ['purchase', 22],
      ['logout', 5],
    ],
    sources: [
      ['mobile', 65],
      ['web', 35],
    ],
    pages: {
      click: [
        ['/products', 40],
        ['/offers', 20],
        ['/cart', 20],
        ['/search', 10],
        ['/home', 10],
      ],
      login: [
        ['/home', 50],
        ['/checkout', 30],
        ['/account', 20],
      ],
      purchase: [
        ['/checkout', 55],
        ['/offers', 25],
        ['/cart', 15],
        ['/products', 5],
      ],
      logout: [
        ['/account', 60],
        ['/home', 40],
      ],
    },
    buyers: 0.85,
  },
}
