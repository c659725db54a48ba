"""The same stories in Chinese: a second language that comes from the events."""

from __future__ import annotations

from llmkit.data.stories.teller import Story
from llmkit.data.stories.world import PEOPLE, Event, World

_NAMES = dict(
    zip(
        PEOPLE,
        "安娜 本 克拉拉 大卫 艾玛 菲利克斯 格蕾丝 亨利 "
        "伊达 约纳斯 莉莉 马克斯 诺拉 奥斯卡 罗莎 汤姆".split(),
        strict=True,
    )
)
_PLACES = {
    "garden": "花园",
    "kitchen": "厨房",
    "park": "公园",
    "library": "图书馆",
    "school": "学校",
    "station": "车站",
    "market": "市场",
    "forest": "森林",
    "museum": "博物馆",
    "bakery": "面包店",
}
# thing -> measure word and noun
_THINGS = {
    "ball": "个球",
    "book": "本书",
    "kite": "只风筝",
    "lamp": "盏灯",
    "apple": "个苹果",
    "drum": "面鼓",
    "hat": "顶帽子",
    "key": "把钥匙",
    "cup": "个杯子",
    "map": "张地图",
    "bell": "个铃铛",
    "boat": "艘小船",
}
_COLOURS = {
    "red": "红色",
    "blue": "蓝色",
    "green": "绿色",
    "yellow": "黄色",
    "white": "白色",
    "black": "黑色",
}
_MOODS = {
    "sang": "唱起了歌",
    "danced": "跳起了舞",
    "laughed": "笑了",
    "slept": "睡着了",
}


def to_chinese(story: Story) -> list[str]:
    """Translate a story, sentence by sentence.

    Args:
        story: what `tell` returned.

    Returns:
        As many sentences as `story.sentences`.
    """
    world = story.start
    lines = [f"{_NAMES[p]}在{_PLACES[place]}里。" for p, place in world.people.items()]
    for thing, place in world.things.items():
        measure, noun = _THINGS[thing][0], _THINGS[thing][1:]
        colour = _COLOURS[world.colours[thing]]
        lines.append(f"{_PLACES[place]}里有一{measure}{colour}的{noun}。")
    subject = ""
    for event in story.events:
        lines.append(_sentence(event, world, event.who == subject))
        subject = event.who
    return [*lines, "故事讲完了。"]


def _sentence(event: Event, world: World, again: bool) -> str:
    who = ("她" if PEOPLE[event.who] else "他") if again else _NAMES[event.who]
    thing = event.thing and _named(event.thing, world)
    if event.kind == "went":
        return f"{who}去了{_PLACES[event.place]}。"
    if event.kind == "took":
        return f"{who}拿起了{thing}。"
    if event.kind == "dropped":
        return f"{who}放下了{thing}。"
    if event.kind == "gave":
        return f"{who}把{thing}给了{_NAMES[event.whom]}。"
    if event.kind == "wanted":
        return f"{who}想要{thing}。"
    if event.kind == "happy":
        return f"{who}很高兴。"
    return f"{who}{_MOODS[event.kind]}。"


def _named(thing: str, world: World) -> str:
    measure, noun = _THINGS[thing][0], _THINGS[thing][1:]
    return f"那{measure}{_COLOURS[world.colours[thing]]}的{noun}"
