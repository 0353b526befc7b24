package ingest

import "strings"

// emoji are the names of the player's, which stand in comments in brackets, as
// far as they are known: words of Kuaishou's that tell nothing about anybody.
var emoji = func() map[string]bool {
	known := make(map[string]bool)
	for _, name := range strings.Fields(emojiNames) {
		known[name] = true
	}
	return known
}()

const emojiNames = `
	笑哭 捂脸 赞 玫瑰 爱心 加油 抱拳 再见 鼓掌 呲牙 大哭 流泪 色 汗 坏笑 偷笑 害羞 微笑 调皮 酷拽 奸笑 疑问 惊讶 晕
	发怒 抓狂 难过 委屈 可怜 尴尬 鄙视 衰 困 睡 嘘 亲亲 爱慕 石化 捂眼 吃瓜 奋斗 红包 蛋糕 啤酒 咖啡 心碎 礼物 双鸡
	老铁 拳头 胜利 强 弱 点赞 握手 比心 龇牙 机智 哈欠 生病 闭嘴 骷髅 平底锅 羊 老虎 狗 猪头 太阳 月亮 皇冠 烟花 药
	生日快乐 撇嘴 吐舌 笑 怒言 打脸 冷漠 裂开 翻白眼 暗中观察 摸头 加油鸭 双击 666 emm 赞啊 送花花 火箭 优秀 气球
`
