"""Makes system calls by numbers of another architecture, which a filter could overlook.

Idea: `int 0x80` from 64-bit code, and x32 (seccomp(2) warns of both).
"""

import ctypes
import mmap
import os

import kit


def machine_code(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    answer = ctypes.CFUNCTYPE(ctypes.c_long)(address)()
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    return f"answered {answer}"


if os.uname().machine == "x86_64":
    get_user_id_32 = bytes.fromhex("b8c7000000 cd80 4898 c3")  # mov eax,199; int 0x80; cdqe; ret
    get_user_id_x32 = bytes.fromhex("b866000040 0f05 c3")  # mov eax,0x40000066; syscall; ret
    kit.attempt("int 0x80", lambda: kit.in_a_child(lambda: machine_code(get_user_id_32)))
    kit.attempt("x32", lambda: kit.in_a_child(lambda: machine_code(get_user_id_x32)))
else:
    kit.note({"tried": "nothing: there is no 32-bit entry from 64-bit code here"})
kit.honest()
