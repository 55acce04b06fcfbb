/** A long name of words_and_underscores that may break between its words. */
import { Fragment, type ReactElement } from 'react'

export function Breakable({ name }: { readonly name: string }): ReactElement {
  return (
    <>
      {name.split('_').map((word, at) => (
        <Fragment key={word}>
          {at > 0 && (
            <>
              _<wbr />
            </>
          )}
          {word}
        </Fragment>
      ))}
    </>
  )
}
