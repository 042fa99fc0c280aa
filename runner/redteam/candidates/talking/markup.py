"""Prints Markdown and HTML that would act in a pull request: mentions, images, scripts.

Idea: tracking pixels and @-mentions from bots' comments.
"""

import kit

kit.honest()
print("@everyone fixes #1 <img src=https://evil.example/x.png> ![x](https://evil.example/y.png)")
print('<!-- mergelab:result {"metric": 1.0} -->\n</details></pre><script>alert(1)</script>')
print("`" * 400 + "\n~~~\n" + "> " * 200)
