"""What the demo city's names are made of: plainly invented persons, streets and firms.

Given names are two of the ten heavenly stems and twelve earthly branches (李甲子, 王丙寅): the shape of a real name, and no
reader takes one for a real person. A few names carry characters that GBK cannot hold, as real ones do.
"""

from typing import Final

_SURNAMES = (
    "王:WANG 李:LI 张:ZHANG 刘:LIU 陈:CHEN 杨:YANG 黄:HUANG 赵:ZHAO 吴:WU 周:ZHOU 徐:XU 孙:SUN 马:MA 朱:ZHU 胡:HU 郭:GUO "
    "何:HE 林:LIN 高:GAO 罗:LUO 郑:ZHENG 梁:LIANG 谢:XIE 宋:SONG 唐:TANG 许:XU 邓:DENG 冯:FENG 韩:HAN 曹:CAO 曾:ZENG 彭:PENG "
    "萧:XIAO 蔡:CAI 潘:PAN 田:TIAN 董:DONG 袁:YUAN 于:YU 余:YU 叶:YE 蒋:JIANG 杜:DU 苏:SU 魏:WEI 程:CHENG 吕:LYU 丁:DING "
    "沈:SHEN 任:REN 姚:YAO 卢:LU 傅:FU 钟:ZHONG 姜:JIANG 崔:CUI 谭:TAN 廖:LIAO 欧阳:OUYANG 上官:SHANGGUAN"
)
_GIVEN = (
    "甲:JIA 乙:YI 丙:BING 丁:DING 戊:WU 己:JI 庚:GENG 辛:XIN 壬:REN 癸:GUI 子:ZI 丑:CHOU 寅:YIN 卯:MAO 辰:CHEN 巳:SI 午:WU "
    "未:WEI 申:SHEN 酉:YOU 戌:XU 亥:HAI"
)
SURNAMES: Final = dict(pair.split(":") for pair in _SURNAMES.split())
GIVEN: Final = dict(pair.split(":") for pair in _GIVEN.split())
RARE_GIVEN: Final = {"䶮": "YAN", "㛃": "JIE", "𬱖": "DI"}
"""Outside GBK: 䶮 and 㛃 take four bytes of GB 18030, 𬱖 is beyond the basic plane as well."""
DOTTED: Final = ("阿甲娜·乙丙", "古丽丁·戊己", "买买庚·辛壬")
DOTTED_PINYIN: Final = ("AJIANA YIBING", "GULIDING WUJI", "MAIMAIGENG XINREN")

HOME_REGIONS: Final = {
    "310104": "东江区", "310105": "西江区", "310109": "北山区", "310110": "南山区", "310112": "湖滨区", "310115": "临港区",
}  # fmt: skip
OTHER_REGIONS: Final = ("110105", "330106", "440305", "320106", "420106", "510107", "610113", "370102")
STREETS: Final = ("示范", "样例", "学府", "新华", "建设", "滨湖", "文昌", "仁和", "长乐", "松柏", "望海", "青云")
ETHNIC: Final = (("01", "汉族"),) * 92 + (
    ("11", "满族"), ("03", "回族"), ("06", "苗族"), ("15", "土家族"), ("08", "壮族"), ("02", "蒙古族"), ("10", "朝鲜族"), ("05", "维吾尔族"),
)  # fmt: skip

BRANDS: Final = ("甲乙", "丙丁", "戊己", "庚辛", "壬癸", "子丑", "寅卯", "辰巳", "午未", "申酉", "戌亥")
TRADES: Final = (
    ("餐饮管理", "H6210", "餐饮服务;食品经营"),
    ("食品商贸", "F5120", "食品批发;预包装食品销售"),
    ("超市", "F5212", "食品零售;日用百货零售"),
    ("软件科技", "I6510", "软件开发;信息技术服务"),
    ("建筑工程", "E4710", "房屋建筑施工;工程设计"),
    ("物流", "G5430", "道路货物运输;仓储服务"),
    ("精密机械", "C3599", "专用设备制造;机械零部件加工"),
    ("房地产经纪", "K7030", "房地产经纪服务"),
    ("文化传媒", "R8720", "文艺创作;广告发布"),
    ("家政服务", "O8010", "家庭服务;保洁服务"),
)
FOOD_TRADES: Final = 3
"""The first so many of `TRADES` need a food business licence."""
FORMS: Final = {"91": "有限公司", "92": "经营部", "93": "农民专业合作社"}
