"""Reading COCO: its photos, their wanted instances, and which of them a bank of occluders needs.

What is in the file
    photo       Photo, Instance, and the mask of an instance
    instances   photos(file, categories): the instances file, narrowed while it is read
What is wanted of it
    filters     what speaks against an instance before its photo is opened: size, shape of its mask
    selection   wanted_images(file, settings): the photos that a bank needs
What is on disk
    image_io    opening a picture that nobody vouches for

`acquire` fetches by it, `occluders` cuts out by it. Nothing here writes, and no photo is opened but
by `image_io`. The file and its pictures are not trusted: what is wrong with the whole is one line
(UserError), what is wrong with an instance or a photo is its reason (ItemError).
"""
