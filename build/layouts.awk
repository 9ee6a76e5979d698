# Reads the output of `readelf --debug-dump=info`, and prints a line for each structure of nginx: its name, its size, and its
# members with their offsets. A structure without a name has the name of its typedef.
function value(    text) {
    text = $0
    sub(/^[^:]*: /, "", text)
    sub(/^\([^)]*\): /, "", text)
    sub(/[ \t]+$/, "", text)
    return text
}
function print_unit(    die, name) {
    for (die in size) {
        name = die in named ? named[die] : typedef_of[die]
        if (name ~ /^ngx_/)
            print name, size[die] members[die]
    }
    split("", size); split("", named); split("", members); split("", typedef_of)
}
# end_member: adds a member to its structure. Bit fields are ignored: compilers write their offsets in different ways.
function end_member() {
    if (tag == "member" && offset != "" && !bits)
        members[owner[depth - 1]] = members[owner[depth - 1]] " " name "@" offset
    tag = ""
}
/^ *<[0-9a-f]+><[0-9a-f]+>: Abbrev Number: 0/ { next }
/^ *<[0-9a-f]+><[0-9a-f]+>: Abbrev/ {
    end_member()
    split($1, part, /[<>]+/)
    depth = part[2] + 0
    die = part[3]
    tag = $0
    sub(/.*\(DW_TAG_/, "", tag)
    sub(/_type\)$|\)$/, "", tag)
    name = offset = bits = ""
    if (tag == "compile_unit" || tag == "partial_unit")
        print_unit()
    owner[depth] = tag == "structure" ? die : ""
    next
}
tag == "structure" && / DW_AT_name / { named[die] = value() }
tag == "structure" && / DW_AT_byte_size / { size[die] = value() }
tag == "member" && / DW_AT_name / { name = value() }
tag == "member" && / DW_AT_data_member_location/ { offset = $NF; sub(/\)$/, "", offset) }
tag == "member" && / DW_AT_(data_)?bit_(size|offset)/ { bits = 1 }
tag == "typedef" && / DW_AT_name / { name = value() }
tag == "typedef" && / DW_AT_type / { offset = value(); gsub(/[<>]|^<?0x/, "", offset); typedef_of[offset] = name }
END { end_member(); print_unit() }
