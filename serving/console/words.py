"""The words of the console in both languages, by name; part of `serving.words`."""

from catalog.guide import Words

CONSOLE = {
    # in and out
    "sign_in": Words("登录", "Sign in"),
    "sign_out": Words("退出", "Sign out"),
    "sign_in_title": Words("登录工作台", "Sign in to the console"),
    "sign_in_lead": Words(
        "供部门编辑、审批人员、数据主管部门、审计人员和门户负责人使用。目录无需登录即可查看。",
        "For department editors and approvers, the data office, auditors and owners of portals. The catalog is open without it.",
    ),
    "account_name": Words("账号", "Account"),
    "password": Words("密码", "Password"),
    "wrong_sign_in": Words("账号与密码不符。", "Name and password do not fit."),
    "sign_in_provider": Words("统一身份认证登录", "Sign in with the city's identity provider"),
    "sign_in_local": Words("使用本地账号", "With an account of this hub"),
    "wrong_provider": Words("统一身份认证未能完成登录。", "The identity provider's answer does not let you in."),
    "wrong_often": Words("失败次数过多，请 15 分钟后再试。", "Too many failures. Try again in 15 minutes."),
    # one's own account
    "my_account": Words("我的账号", "My account"),
    "me_department": Words("所属部门", "Department"),
    "me_roles": Words("角色", "Roles"),
    "me_client": Words("负责的门户", "Portal"),
    "role_editor": Words("部门编辑", "Department editor"),
    "role_approver": Words("部门审批", "Department approver"),
    "role_office": Words("数据主管部门", "Data office"),
    "role_auditor": Words("审计", "Auditor"),
    "role_client": Words("门户负责人", "Owner of a portal"),
    "choose_language": Words("页面语言", "Language of my pages"),
    "save": Words("保存", "Save"),
    "change_password": Words("修改密码", "Change my password"),
    "password_present": Words("当前密码", "Present password"),
    "password_new": Words("新密码", "New password"),
    "password_hint": Words(
        "至少 12 个字符，不含账号名，少用重复字符；几个词连用即可。",
        "12 characters or more, not your name, few repeated. Several words do.",
    ),
    "password_again": Words("再次输入新密码", "New password again"),
    "password_elsewhere": Words("密码由统一身份认证管理。", "Your password is with the identity provider."),
    "wrong_present": Words("当前密码不对。", "The present password is not right."),
    "wrong_again": Words("两次输入的新密码不一致。", "The new passwords are not the same."),
    "wrong_weak": Words("新密码不符合要求。", "The new password is too easily guessed."),
    "done_language": Words("语言已保存。", "The language is saved."),
    "done_password": Words(
        "密码已修改，其他设备上的登录已失效。", "The password is changed; you are signed out everywhere else."
    ),
}
