"""One page about a bundle, for people: gathered from what is known of it, written as HTML or Markdown."""
