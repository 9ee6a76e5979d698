# follow: a response with several Set-Cookie fields for the application's cookie. Browsers keep one cookie for each
# domain and path, the last one, and the module's cookie is set accordingly.
#
# lib/SettingServers.pm describes the servers.

use Sticky qw(SettingServers);

client_sections();
setting_sections('follow=sid');

# A line of "ours" has a Cookie field, and the module's Set-Cookie fields in the response, which follow the application's.
add_block_preprocessor(sub {
    my ($block) = @_;
    my @set = split /\n/, $block->set_cookie // '';
    my @lines = split /\n/, $block->ours;
    $block->set_value(client => sub {
        for my $line (@lines) {
            my ($cookie, $ours) = split / => ?/, $line, 2;
            my @ours = split /\|/, $ours =~ s/GONE/Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT/gr;
            equals(set(visit('/t/', $cookie)), join('|', @set, @ours), $line);
        }
    });
});

run_tests();

__DATA__

=== a cookie with one path is deleted, one with another path is set
--- set_cookie
sid=; Path=/old; Max-Age=0
sid=1; Path=/
--- ours
route=ID_A => route=; Path=/old; GONE|route=ID_B; Path=/
sid=1; route=ID_B => route=; Path=/old; GONE|route=ID_B; Path=/



=== of several with one path, the last counts
--- set_cookie
sid=1; Path=/; Secure
sid=; Path=/; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Path=/; GONE



=== of several with one path, the last counts: in reverse order
--- set_cookie
sid=; Path=/; Max-Age=0
sid=1; Path=/; Secure
--- ours
sid=1; route=ID_B => route=ID_B; Path=/; Secure



=== domains are compared case-insensitively and without the leading dot
--- set_cookie
sid=1; Domain=a.test; Max-Age=1
sid=2; Domain=.A.TEST; Max-Age=2
sid=3; Max-Age=3
sid=4; Domain=b.test; Max-Age=4
--- ours
sid=1; route=ID_B => route=ID_B; Domain=.A.TEST; Max-Age=2|route=ID_B; Max-Age=3|route=ID_B; Domain=b.test; Max-Age=4



=== if the directive specifies path and domain, a cookie that is set counts
--- sticky: follow=sid path=/ domain=a.test
--- set_cookie
sid=1; Path=/app; Max-Age=60
sid=; Path=/; Max-Age=0
sid=; Path=/old; Domain=a.test; Max-Age=0
--- ours
sid=1; route=ID_B => route=ID_B; Domain=a.test; Path=/; Max-Age=60



=== if the directive specifies path and domain and none is set, the module's cookie is deleted once
--- sticky: follow=sid path=/ domain=a.test
--- set_cookie
sid=; Path=/app; Max-Age=0
sid=; Path=/; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Domain=a.test; Path=/; GONE



=== several names with one prefix: for each path, a cookie that is set counts
--- sticky: follow=in_*
--- set_cookie
in_1=x; Path=/
in_2=; Path=/
in_1=; Path=/admin
in_2=; Path=/admin
--- ours
in_1=x; in_2=x; route=ID_B => route=; Path=/admin; GONE|route=ID_B; Path=/



=== a cookie is deleted for a path outside the request's: the session continues, and the module's cookie is set if missing
--- set_cookie
sid=; Path=/old; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Path=/old; GONE
sid=1 => route=ID_B; Path=/|route=; Path=/old; GONE
sid=1; route=x => route=ID_A; Path=/|route=; Path=/old; GONE
route=ID_B => route=; Path=/old; GONE



=== the same if the directive specifies the path: the module's cookie is kept
--- sticky: follow=sid path=/
--- set_cookie
sid=; Path=/old; Max-Age=0
--- ours
sid=1; route=ID_B =>
sid=1 => route=ID_B; Path=/
route=ID_B => route=; Path=/; GONE



=== one of two cookies in the request is deleted: the other session continues
--- set_cookie
sid=; Path=/t; Max-Age=0
--- ours
sid=1; sid=2; route=ID_B => route=; Path=/t; GONE
sid=1; sid=2 => route=ID_B; Path=/|route=; Path=/t; GONE
sid=1; route=ID_B => route=; Path=/t; GONE



=== the same if the directive specifies the path: the module's cookie is kept
--- sticky: follow=sid path=/
--- set_cookie
sid=; Path=/t; Max-Age=0
--- ours
sid=1; sid=2; route=ID_B =>
sid=1; sid=; route=ID_B => route=; Path=/; GONE



=== a cookie that only Partitioned distinguishes from a deleted one: the module's cookie is deleted, then set
--- sticky: follow=sid secure=auto
--- set_cookie
sid=1; Path=/; Secure; SameSite=None; Partitioned
sid=; Path=/; Max-Age=0
--- ours
sid=1; route=ID_B => route=; Path=/; GONE|route=ID_B; Path=/



=== one cookie is set after many that are deleted
--- set_cookie eval
CORE::join "\n", (map { "sid=; Path=/p$_; Max-Age=0" } 1 .. 8), 'sid=1; Path=/'
--- ours
route=x => route=; Path=/p2; GONE|route=; Path=/p3; GONE|route=; Path=/p4; GONE|route=; Path=/p5; GONE|route=; Path=/p6; GONE|route=; Path=/p7; GONE|route=; Path=/p8; GONE|route=ID_B; Path=/



=== at most eight are considered, several with one path counting as one
--- set_cookie eval
CORE::join "\n", (map { "sid=; Path=/p$_; Max-Age=0" } 1 .. 7), (map { "sid=$_; Path=/" } 1 .. 50), (map { "sid=; Path=/q$_; Max-Age=0" } 1 .. 50)
--- ours
sid=1; route=ID_B => route=; Path=/p1; GONE|route=; Path=/p2; GONE|route=; Path=/p3; GONE|route=; Path=/p4; GONE|route=; Path=/p5; GONE|route=; Path=/p6; GONE|route=; Path=/p7; GONE|route=ID_B; Path=/
