"""Rows of the panels' lists: what a row says, and the one delegate that paints them all."""

from dataclasses import dataclass

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from usassist.gui import theme
from usassist.gui.theme import Tone

ROW_ROLE = Qt.ItemDataRole.UserRole + 1
Index = QModelIndex | QPersistentModelIndex
_MIDDLE = Qt.TextElideMode.ElideMiddle
"""Names of files, and folders, differ at their ends."""
_MOST_TRAILING = 0.45
"""What stands at the right end of a line leaves the title at least the rest."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A named value between 0 and 1, painted as a small bar."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Row:
    """What one row shows; `spoken` is what a screen reader says instead of the icons.

    Leading is either a label's `swatch` ("#rrggbb") or an `icon`; `key_hint` is the key that chooses the row.
    """

    key: str
    title: str
    subtitle: str = ""
    subtitle_tone: Tone = "faint"
    swatch: str = ""
    icon: str = ""
    icon_tone: Tone = "faint"
    trailing: str = ""
    trailing_icon: str = ""
    trailing_tone: Tone = "faint"
    trailing_icon_tone: Tone = "faint"
    key_hint: str = ""
    strong: bool = False
    bars: tuple[Bar, ...] = ()
    tip: str = ""
    spoken: str = ""


class RowsModel(QAbstractListModel):
    """A short list of ready rows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        return self._rows

    def set_rows(self, rows: tuple[Row, ...]) -> None:
        """Show these rows; where only their content changed, the selection stays."""
        if [row.key for row in rows] == [row.key for row in self._rows]:
            self._rows = rows
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def row_of(self, key: str) -> int:
        """Return the position of a key, -1 where it is not there."""
        return next((number for number, row in enumerate(self._rows) if row.key == key), -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        return row_data(self._rows[index.row()], role)


def row_data(row: Row, role: int) -> object:
    """Return what a model answers for a row."""
    if role == Qt.ItemDataRole.DisplayRole:
        return row.title
    if role == ROW_ROLE:
        return row
    if role == Qt.ItemDataRole.ToolTipRole:
        return row.tip or None
    if role == Qt.ItemDataRole.AccessibleTextRole:
        return row.spoken or ", ".join(part for part in (row.title, row.subtitle, row.trailing) if part)
    return None


class RowDelegate(QStyledItemDelegate):
    """Paints rows of one height: swatch or icon, title over subtitle, bars, and something at the right end."""

    def __init__(self, parent: QWidget | None = None, *, two_lines: bool = False, bars: int = 0) -> None:
        super().__init__(parent)
        self._two_lines = two_lines
        self._bars = bars

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        title, small = row_fonts(option.font)
        height = QFontMetricsF(title).height() + 12
        if self._two_lines:
            height += QFontMetricsF(small).height() + 1
        height += self._bars * (QFontMetricsF(small).height() + 3) + (4 if self._bars else 0)
        return QSize(80, round(height))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row = index.data(ROW_ROLE)
        if not isinstance(row, Row):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, option)
        title_font, small_font = row_fonts(option.font)
        title_height = QFontMetricsF(title_font).height()
        area = QRectF(option.rect).adjusted(14, 0, -12, 0)
        content = title_height + (QFontMetricsF(small_font).height() + 1 if self._two_lines else 0)
        top = area.top() + (6 if self._bars else (area.height() - content) / 2)
        line = QRectF(area.left(), top, area.width(), title_height)
        left = self._paint_leading(painter, row, line)
        right = self._paint_trailing(painter, row, line, small_font if not row.bars else title_font)
        text = QRectF(left, line.top(), max(0.0, right - left), line.height())
        title_font.setWeight(QFont.Weight.DemiBold if row.strong else QFont.Weight.Normal)
        paint_text(painter, text, row.title, font=title_font, tone="text", elide=_MIDDLE)
        if self._two_lines:
            below = QRectF(left, line.bottom() + 1, area.right() - left, QFontMetricsF(small_font).height())
            paint_text(painter, below, row.subtitle, font=small_font, tone=row.subtitle_tone)
        self._paint_bars(painter, row, QRectF(left, top + content + 4, area.right() - left, 0), small_font)
        painter.restore()

    def _paint_leading(self, painter: QPainter, row: Row, line: QRectF) -> float:
        """Paint the swatch or the icon; return where the text begins."""
        side = 16.0
        box = QRectF(line.left(), line.center().y() - side / 2, side, side)
        if row.swatch:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(row.swatch))
            painter.drawRoundedRect(box.adjusted(2, 2, -2, -2), 3, 3)
        elif row.icon:
            theme.paint_icon(painter, box, row.icon, colour=theme.tone_colour(row.icon_tone))
        else:
            return line.left()
        return box.right() + 8

    def _paint_trailing(self, painter: QPainter, row: Row, line: QRectF, font: QFont) -> float:
        """Paint what stands at the right end; return where it begins."""
        right = line.right()
        if row.key_hint:
            width = max(QFontMetricsF(font).horizontalAdvance(row.key_hint) + 10, 18)
            cap = QRectF(right - width, line.center().y() - 8.5, width, 17)
            t = theme.tokens()
            painter.setPen(QPen(QColor(t.border_strong), 1))
            painter.setBrush(QColor(t.raised))
            painter.drawRoundedRect(cap.adjusted(0.5, 0.5, -0.5, -0.5), t.radius_s, t.radius_s)
            paint_text(painter, cap, row.key_hint, font=font, tone="normal", align=Qt.AlignmentFlag.AlignHCenter)
            right = cap.left() - 8
        if row.trailing_icon:
            box = QRectF(right - 16, line.center().y() - 8, 16, 16)
            theme.paint_icon(painter, box, row.trailing_icon, colour=theme.tone_colour(row.trailing_icon_tone))
            right = box.left() - 8
        if row.trailing:
            width = min(QFontMetricsF(font).horizontalAdvance(row.trailing) + 1, _MOST_TRAILING * line.width())
            box = QRectF(right - width, line.top(), width, line.height())
            align, tone = Qt.AlignmentFlag.AlignRight, row.trailing_tone
            paint_text(painter, box, row.trailing, font=font, tone=tone, align=align, elide=_MIDDLE)
            right = box.left() - 8
        return right

    def _paint_bars(self, painter: QPainter, row: Row, area: QRectF, font: QFont) -> None:
        metrics = QFontMetricsF(font)
        name_width = max((metrics.horizontalAdvance(bar.name) for bar in row.bars), default=0.0) + 10
        value_width = metrics.horizontalAdvance("100 %") + 6
        for number, bar in enumerate(row.bars):
            line = QRectF(area.left(), area.top() + number * (metrics.height() + 3), area.width(), metrics.height())
            paint_text(painter, line, bar.name, font=font, tone="normal")
            paint_text(
                painter,
                line,
                percent(bar.value),
                font=font,
                tone="text",
                align=Qt.AlignmentFlag.AlignRight,
            )
            track = QRectF(line.left() + name_width, line.center().y() - 2, line.width() - name_width - value_width, 4)
            paint_bar(painter, track, bar.value)


def list_view(name: str, *, delegate: RowDelegate) -> QListView:
    """Return a list view set up for rows of one height."""
    view = QListView()
    view.setAccessibleName(name)
    view.setUniformItemSizes(True)
    view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
    view.setMouseTracking(True)
    view.setMinimumHeight(view.fontMetrics().height() * 3)
    delegate.setParent(view)
    view.setItemDelegate(delegate)
    return view


def paint_ground(painter: QPainter, option: QStyleOptionViewItem) -> None:
    """Paint what lies under a row that is selected, under the mouse or reached with the keyboard."""
    t = theme.tokens()
    ground = QRectF(option.rect).adjusted(6, 1, -6, -1)
    selected = bool(option.state & QStyle.StateFlag.State_Selected)
    if selected or option.state & QStyle.StateFlag.State_MouseOver:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(t.accent_soft if selected else t.hover))
        painter.drawRoundedRect(ground, t.radius_m, t.radius_m)
    if option.state & QStyle.StateFlag.State_HasFocus and option.state & QStyle.StateFlag.State_KeyboardFocusChange:
        painter.setPen(QPen(QColor(t.accent), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(ground.adjusted(0.5, 0.5, -0.5, -0.5), t.radius_m, t.radius_m)


def row_fonts(base: QFont) -> tuple[QFont, QFont]:
    """Return the fonts of a row's title and of what is small beside it."""
    title, small = QFont(base), QFont(base)
    small.setPointSizeF(base.pointSizeF() * 0.89)
    return title, small


def paint_text(
    painter: QPainter,
    area: QRectF,
    text: str,
    *,
    font: QFont,
    tone: Tone,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
    elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
) -> None:
    """Draw one line of text, shortened to the area where `elide` says."""
    painter.setFont(font)
    painter.setPen(theme.tone_colour(tone))
    shown = QFontMetricsF(font).elidedText(text, elide, area.width())
    painter.drawText(area, int(align | Qt.AlignmentFlag.AlignVCenter), shown)


def paint_bar(painter: QPainter, track: QRectF, value: float) -> None:
    """Paint a bar that is full at the value 1; what is below 0 is an empty one."""
    t = theme.tokens()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(t.track))
    painter.drawRoundedRect(track, 2, 2)
    painter.setBrush(QColor(t.accent))
    full = track.left() + track.width() * min(1.0, max(0.0, value))
    painter.drawRoundedRect(QRectF(track.topLeft(), QPointF(full, track.bottom())), 2, 2)


def percent(value: float) -> str:
    """Return a share of 1 as people write it."""
    return f"{value:.0%}".replace("%", " %")
