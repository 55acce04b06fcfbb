/** What the still pictures share that draw boxes and bars: the page, and the space that a letter takes. */

/** Of a letter of the font of `svgPage`, in pixels: wide enough for most. */
export const letterWidth = 7.2

/** A white page of so many pixels with this content on it. */
export function svgPage(width: number, height: number, content: readonly string[]): string {
  const [w, h] = [rounded(width), rounded(height)]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" font-family="sans-serif" font-size="12" fill="#333">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...content,
    '</svg>',
  ].join('')
}

/** To a tenth of a pixel. */
export const rounded = (value: number): number => Math.round(value * 10) / 10
